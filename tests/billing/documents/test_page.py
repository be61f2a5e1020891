"""The page that people read, and the PDF file that contains it and the XML."""

import hashlib
import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import date
from decimal import Decimal

import facturx
import pytest
from lxml import etree
from pypdf import PdfReader

from billing.documents.cii import build_cii
from billing.documents.facts import InvoiceFacts, Note, Original
from billing.documents.factur_x import render
from models.billing.invoice import DocumentType
from models.billing.money import Money
from models.billing.tax_rule import Treatment
from tests.billing.documents.invoice_fixtures import (
    BUYER,
    LINE,
    SELLER,
    invoice,
    invoice_paid_by_card,
)
from tests.billing.documents.invoice_kinds import KINDS


def _read_pdf(facts: InvoiceFacts, locale: str = "fr") -> PdfReader:
    return PdfReader(io.BytesIO(render(facts, locale)))


def _pages(facts: InvoiceFacts, locale: str = "fr") -> list[str]:
    """The text of each page, with every run of white space (non-breaking ones too) as one space."""
    return [" ".join(page.extract_text().split()) for page in _read_pdf(facts, locale).pages]


def _text(facts: InvoiceFacts, locale: str = "fr") -> str:
    return " ".join(_pages(facts, locale))


EXPECTED_TEXTS = [
    "Facture",
    "FA-2026-000123",
    "Camcha Services",
    "SAS au capital de 10 000 €, RCS Paris 404 833 048",
    "12 rue de l'Échiquier",
    "75010 Paris",
    "SIREN : 404 833 048",
    "SIRET : 404 833 048 00022",
    "N° TVA : FR83404833048",
    "Boulangerie L'Épi d'Or SARL",
    "Bâtiment B",
    "69001 Lyon",
    "SIREN : 732 829 320",
    "Adresse électronique : 732829320",
    "23 novembre 2026",
    "du 23 novembre au 22 décembre 2026",
    "23 décembre 2026",
    "Offre PME",
    "20 %",
    "Total HT 79,00 €",
    "Total TVA 15,80 €",
    "Total TTC 94,80 €",
    "Net à payer 94,80 €",
    "IBAN : FR76 3000 6000 0112 3456 7890 189",
    "RF18539007547034",
    "Paiement à 30 jours par virement.",
    "40 €",
    "Pénalités de retard : trois fois le taux d'intérêt légal.",
    "Pas d'escompte pour paiement anticipé.",
    "Nature de l’opération : Prestation de services",
]


def test_the_page_shows_all_required_information() -> None:
    text = _text(invoice())
    assert [expected for expected in EXPECTED_TEXTS if expected not in text] == []


def test_an_english_reader_gets_an_english_page() -> None:
    text = _text(invoice(), "en")
    for phrase in (
        "Invoice",
        "Total incl. VAT €94.80",
        "Amount due €94.80",
        "23 November 2026",
        "VAT number: FR83404833048",
    ):
        assert phrase in text
    assert str(_read_pdf(invoice(), "en").root_object["/Lang"]) == "en"


def test_the_embedded_xml_matches_the_facts() -> None:
    name, xml = facturx.get_facturx_xml_from_pdf(render(invoice()), check_xsd=True)
    assert (name, xml) == ("factur-x.xml", build_cii(invoice()))


def test_the_metadata_declares_factur_x_and_pdf_a_3b() -> None:
    reader = _read_pdf(invoice())
    xmp = etree.fromstring(reader.root_object["/Metadata"].get_data())  # type: ignore[attr-defined]
    properties = {
        etree.QName(node).localname: node.text for node in xmp.iter() if isinstance(node.tag, str)
    }
    assert (properties["part"], properties["conformance"]) == ("3", "B")
    assert (properties["ConformanceLevel"], properties["DocumentFileName"]) == (
        "EN 16931",
        "factur-x.xml",
    )
    assert (properties["DocumentType"], properties["Version"]) == ("INVOICE", "1.0")
    assert reader.metadata is not None
    assert reader.metadata.title == "Facture FA-2026-000123"
    assert properties["CreateDate"] == "2026-11-23T00:00:00+00:00"
    assert properties["CreatorTool"] == reader.metadata.creator
    assert reader.root_object["/AF"][0].get_object()["/AFRelationship"] == "/Alternative"  # type: ignore[index]
    assert reader.trailer["/ID"]


def test_every_offset_in_the_file_is_that_of_an_object() -> None:
    pdf = render(invoice(LINE, LINE))
    reader = PdfReader(io.BytesIO(pdf), strict=True)
    offsets = reader.xref[0]
    assert len(offsets) > 90
    assert all(pdf[offset:].startswith(b"%d 0 obj" % name) for name, offset in offsets.items())
    assert pdf[int(pdf.split()[-2]) :].startswith(b"xref")


def test_all_fonts_are_embedded() -> None:
    for page in _read_pdf(invoice()).pages:
        for font in page["/Resources"]["/Font"].values():  # type: ignore[index]
            descriptor = font.get_object()["/DescendantFonts"][0].get_object()["/FontDescriptor"]
            assert {"/FontFile2", "/FontFile3"} & set(descriptor)


def test_vat_of_several_lines_is_rounded_once() -> None:
    text = _text(invoice(*[replace(LINE, unit_price_cents=113)] * 3))
    assert "Total HT 3,39 €" in text
    assert "Total TVA 0,68 €" in text
    assert "Total TTC 4,07 €" in text


def test_an_exempt_seller_cites_the_law() -> None:
    seller = replace(SELLER, vat_number="")
    text = _text(
        invoice(replace(LINE, vat_basis_points=0), treatment=Treatment.EXEMPT_SELLER, seller=seller)
    )
    assert "TVA non applicable, art. 293 B du CGI" in text
    assert "Total TTC 79,00 €" in text


def test_reverse_charge_is_named_in_both_languages() -> None:
    facts = invoice(replace(LINE, vat_basis_points=0), treatment=Treatment.REVERSE_CHARGE)
    assert "Autoliquidation" in _text(facts)
    assert "Autoliquidation" in _text(facts, "en")


def test_a_credit_note_cites_the_original() -> None:
    original = Original(number="FA-2026-000001", issued_on=date(2026, 11, 1))
    text = _text(
        invoice(type=DocumentType.CREDIT_NOTE, number="AV-2026-000001", originals=(original,))
    )
    assert "Avoir AV-2026-000001" in text
    assert "facture FA-2026-000001 du 1er novembre 2026" in text
    assert "Net à votre crédit 94,80 €" in text


def test_an_invoice_paid_by_card() -> None:
    text = _text(invoice_paid_by_card())
    for phrase in (
        "PAYÉE LE 23 novembre 2026",
        "Déjà payé -94,80 €",
        "Net à payer 0,00 €",
        "Carte bancaire •••• 4242",
    ):
        assert phrase in text
    assert "IBAN" not in text


def test_optional_details_are_shown() -> None:
    buyer = replace(BUYER, billing_address=SELLER.address)
    line = replace(LINE, discount_cents=400, discount_reason="Fidélité", quantity=Decimal("2.5"))
    text = _text(invoice(line, vat_on_debits=True, order_number="PO 7/42", buyer=buyer))
    for phrase in (
        "d’après les débits",
        "PO 7/42",
        "Fidélité : -4,00 €",
        "2,5",
        "ADRESSE DE FACTURATION 12 rue de l'Échiquier 75010 Paris",
    ):
        assert phrase in text


def test_each_vat_rate_is_listed() -> None:
    text = _text(invoice(LINE, replace(LINE, vat_basis_points=550)))
    assert "20 % 79,00 € 15,80 €" in text
    assert "5,5 % 79,00 € 4,35 €" in text


def test_a_long_invoice_repeats_its_heading_on_each_page() -> None:
    pages = _pages(invoice(*[replace(LINE, label=f"Poste n° {n}") for n in range(1, 61)]))
    assert len(pages) >= 3
    assert all("Désignation Quantité" in page for page in pages[:-1])
    assert all(f"{n} / {len(pages)}" in page for n, page in enumerate(pages, 1))
    assert all(f"Poste n° {n} " in " ".join(pages) for n in range(1, 61))


HOSTILE_TEXTS = [
    '#import "x"',
    "*a_b*",
    "$x^2$ `raw` // end",
    "\\ ] ) }",
    '#panic("no")',
    "<label> @ref = heading",
    "a -- b ... ~",
]


@pytest.mark.parametrize("phrase", HOSTILE_TEXTS)
def test_markup_is_printed_literally(phrase: str) -> None:
    assert phrase in _text(
        invoice(replace(LINE, label=phrase, description=phrase), buyer=replace(BUYER, name=phrase))
    )


def test_very_long_names_are_wrapped() -> None:
    name = "Société " + "anticonstitutionnellement" * 12
    parties = {"buyer": replace(BUYER, name=name), "seller": replace(SELLER, name=name)}
    reader = _read_pdf(invoice(replace(LINE, label="§" * 400), **parties))
    text_lines = [line for page in reader.pages for line in page.extract_text().splitlines()]
    assert max(map(len, text_lines)) < 250
    assert sum(line.count("§") for line in text_lines) == 400


def test_the_same_facts_give_the_same_bytes_in_any_process() -> None:
    program = (
        "import hashlib; from billing.documents.factur_x import render;from "
        "tests.billing.documents.invoice_fixtures import "
        "invoice;print(hashlib.sha256(render(invoice())).hexdigest())"
    )
    environment = {**os.environ, "TZ": "Pacific/Auckland", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    process = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert process.stdout.strip() == hashlib.sha256(render(invoice())).hexdigest()
    assert render(invoice()) != render(invoice(number="FA-2026-000124"))


def test_the_file_depends_on_no_other_day_than_those_of_the_invoice() -> None:
    pdf = render(invoice())
    dates = set(re.findall(rb"D:([0-9]{8})|<xmp:[A-Za-z]*Date>([0-9-]{10})|when>([0-9-]{10})", pdf))
    assert {part.replace(b"-", b"") for match in dates for part in match if part} == {b"20261123"}


def test_the_sums_are_carried_over_page_breaks() -> None:
    lines = [replace(LINE, label=f"Poste n° {n}") for n in range(1, 61)]
    pages = _pages(invoice(*lines))
    counts = [page.count("Poste n°") for page in pages]
    assert sum(counts) == 60
    carried = 0
    for page, next_page, count in zip(pages, pages[1:], counts, strict=False):
        carried += 79 * count
        if carried == 60 * 79:  # only the totals are left
            break
        amount = " ".join(Money(100 * carried).formatted("fr").split())
        assert f"À reporter : {amount}" in page
        assert f"Report : {amount}" in next_page
    assert "reporter" not in pages[-1]
    assert "eport" not in "".join(_pages(invoice()))


def test_a_period_states_the_year_once() -> None:
    february = {"period_start": date(2027, 2, 1), "period_end": date(2027, 2, 28)}
    winter = {"period_start": date(2026, 12, 1), "period_end": date(2027, 1, 31)}
    assert "du 1er février au 28 février 2027" in _text(invoice(**february))
    assert "1 February to 28 February 2027" in _text(invoice(**february), "en")
    assert "du 1er décembre 2026 au 31 janvier 2027" in _text(invoice(**winter))


def test_countries_are_named_when_one_party_is_abroad() -> None:
    facts = KINDS["Germany: transfer"]
    assert "60311 Frankfurt am Main Allemagne" in _text(facts)
    assert "75010 Paris France" in _text(facts)
    assert "60311 Frankfurt am Main Germany" in _text(facts, "en")
    assert "France" not in _text(invoice()).replace("Île-de-France", "")
    assert "Nouvelle-Calédonie" in _text(KINDS["New Caledonia: card"])


@pytest.mark.parametrize(
    ("kind", "french", "english"),
    [
        ("Guyane: transfer", "TVA non applicable, art. 294 du CGI", "no VAT is due"),
        ("Polynesia: card", "TVA non applicable, art. 259-1 du CGI", "outside the scope"),
        ("Germany: card", "Autoliquidation", "reverse charge"),
        ("exempt seller: card", "TVA non applicable, art. 293 B du CGI", "exempt from VAT"),
    ],
)
def test_the_mention_is_french_and_explained_in_english(
    kind: str, french: str, english: str
) -> None:
    assert french in _text(KINDS[kind])
    assert english not in _text(KINDS[kind])
    text = _text(KINDS[kind], "en")
    assert f"{french} (" in text
    assert english in text


def test_no_rate_is_stated_outside_the_scope_of_vat() -> None:
    text = _text(KINDS["United States: transfer"])
    assert "0 %" not in text
    assert "N° TVA : FR83404833048" in text


def test_a_direct_debit_states_its_mandate() -> None:
    text = _text(KINDS["metropolitan: direct debit"])
    for phrase in (
        "Prélèvement SEPA •••• 0189",
        "Mandat : MANDAT-0042",
        "Identifiant créancier SEPA : FR72ZZZ123456",
    ):
        assert phrase in text


def test_a_payment_service_is_named() -> None:
    assert "PAYÉE PAR PayPal" in _text(KINDS["paid online"])


def test_a_corrective_invoice_replaces_the_original() -> None:
    text = _text(KINDS["metropolitan: corrective"])
    assert "Facture rectificative" in text
    assert "Annule et remplace la facture FA-2026-000001 du 1er novembre 2026." in text


def test_a_partial_payment_leaves_the_rest() -> None:
    text = _text(invoice(paid_cents=1234))
    assert "Déjà payé -12,34 €" in text
    assert "Net à payer 82,46 €" in text


def test_a_credit_note_has_no_due_date() -> None:
    facts = KINDS["credit of two invoices, refunded"]
    text = _text(facts)
    assert "ÉCHÉANCE" not in text.upper()
    assert "Déjà remboursé" in text
    assert "FA-2026-000001" in text
    assert "FA-2026-000002" in text


@pytest.mark.parametrize("word", ["שלום", "شركة", "会社", "บริษัท"])
def test_long_words_without_spaces_are_wrapped_in_every_script(word: str) -> None:
    facts = invoice(replace(LINE, label=word * 60), buyer=replace(BUYER, name=word * 40))
    pages = _read_pdf(facts).pages
    assert max(len(line) for page in pages for line in page.extract_text().splitlines()) < 160


def test_the_reason_of_a_credit_note_is_stated_beside_its_original() -> None:
    facts = KINDS["metropolitan: credit note"]
    text = _text(replace(facts, notes=(Note(text="Service interrompu."), *facts.notes)))
    assert "du 1er novembre 2026. Service interrompu. Désignation" in text
    assert text.count("Service interrompu.") == 1
    assert "Note générale." in _text(invoice(notes=(Note(text="Note générale."), *facts.notes)))
