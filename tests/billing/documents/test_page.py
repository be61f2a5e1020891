"""The page that people read, and the file that holds both halves."""

import asyncio
import hashlib
import io
import os
import subprocess
import sys
import unicodedata
from dataclasses import replace
from datetime import date
from decimal import Decimal

import facturx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from pypdf import PdfReader

from billing.documents.cii import cii
from billing.documents.element import printable
from billing.documents.facts import DocumentType, InvoiceFacts, Original, Treatment
from billing.documents.page import MISSING, drawable, render, rendered
from tests.billing.documents.invoice_fixtures import BUYER, LINE, SELLER, invoice, paid_by_card


def _opened(facts: InvoiceFacts, locale: str = "fr") -> PdfReader:
    return PdfReader(io.BytesIO(render(facts, locale)))


def _pages(facts: InvoiceFacts, locale: str = "fr") -> list[str]:
    """The text of each page, with every run of white space (non-breaking ones too) as one space."""
    return [" ".join(page.extract_text().split()) for page in _opened(facts, locale).pages]


def _text(facts: InvoiceFacts, locale: str = "fr") -> str:
    return " ".join(_pages(facts, locale))


MENTIONS = [
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
    "du 23 novembre 2026 au 22 décembre 2026",
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


def test_the_page_shows_every_mention() -> None:
    text = _text(invoice())
    assert [mention for mention in MENTIONS if mention not in text] == []


def test_an_english_reader_gets_an_english_page() -> None:
    text = _text(invoice(), "en")
    for words in (
        "Invoice",
        "Total incl. VAT €94.80",
        "Amount due €94.80",
        "23 November 2026",
        "VAT number: FR83404833048",
    ):
        assert words in text
    assert str(_opened(invoice(), "en").root_object["/Lang"]) == "en"


def test_the_xml_inside_is_the_facts() -> None:
    name, xml = facturx.get_facturx_xml_from_pdf(render(invoice()), check_xsd=True)
    assert (name, xml) == ("factur-x.xml", cii(invoice()))


def test_the_file_says_that_it_is_factur_x_in_pdf_a_3b() -> None:
    reader = _opened(invoice())
    packet = etree.fromstring(reader.root_object["/Metadata"].get_data())  # type: ignore[attr-defined]
    said = {
        etree.QName(node).localname: node.text
        for node in packet.iter()
        if isinstance(node.tag, str)
    }
    assert (said["part"], said["conformance"]) == ("3", "B")
    assert (said["ConformanceLevel"], said["DocumentFileName"]) == ("EN 16931", "factur-x.xml")
    assert (said["DocumentType"], said["Version"]) == ("INVOICE", "1.0")
    assert reader.metadata is not None
    assert reader.metadata.title == "Facture FA-2026-000123"
    assert said["CreateDate"] == "2026-11-23T00:00:00+00:00"
    assert said["CreatorTool"] == reader.metadata.creator
    assert reader.root_object["/AF"][0].get_object()["/AFRelationship"] == "/Alternative"  # type: ignore[index]
    assert reader.trailer["/ID"]


def test_every_font_is_inside_the_file() -> None:
    for page in _opened(invoice()).pages:
        for font in page["/Resources"]["/Font"].values():  # type: ignore[index]
            descriptor = font.get_object()["/DescendantFonts"][0].get_object()["/FontDescriptor"]
            assert {"/FontFile2", "/FontFile3"} & set(descriptor)


def test_three_lines_of_1_13() -> None:
    text = _text(invoice(*[replace(LINE, unit_price_cents=113)] * 3))
    assert "Total HT 3,39 €" in text
    assert "Total TVA 0,68 €" in text
    assert "Total TTC 4,07 €" in text


def test_an_exempt_seller_names_the_article() -> None:
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


def test_paid_by_card() -> None:
    text = _text(paid_by_card())
    for words in (
        "PAYÉE LE 23 novembre 2026",
        "Déjà payé -94,80 €",
        "Net à payer 0,00 €",
        "Carte bancaire •••• 4242",
    ):
        assert words in text
    assert "IBAN" not in text


def test_debits_order_number_discount_and_billing_address() -> None:
    buyer = replace(BUYER, billing_address=SELLER.address)
    line = replace(LINE, discount_cents=400, discount_reason="Fidélité", quantity=Decimal("2.5"))
    text = _text(invoice(line, vat_on_debits=True, order_number="PO 7/42", buyer=buyer))
    for words in (
        "d'après les débits",
        "PO 7/42",
        "Fidélité : -4,00 €",
        "2,5",
        "12 rue de l'Échiquier, 75010 Paris",
    ):
        assert words in text


def test_several_rates_are_listed_each() -> None:
    text = _text(invoice(LINE, replace(LINE, vat_basis_points=550)))
    assert "20 % 79,00 € 15,80 €" in text
    assert "5,5 % 79,00 € 4,35 €" in text


def test_sixty_lines_flow_over_pages_under_the_same_heading() -> None:
    pages = _pages(invoice(*[replace(LINE, label=f"Poste n° {n}") for n in range(1, 61)]))
    assert len(pages) >= 3
    assert all("Désignation Quantité" in page for page in pages[:-1])
    assert all(f"{n} / {len(pages)}" in page for n, page in enumerate(pages, 1))
    assert all(f"Poste n° {n} " in " ".join(pages) for n in range(1, 61))


HOSTILE = [
    '#import "x"',
    "*a_b*",
    "$x^2$ `raw` // end",
    "\\ ] ) }",
    '#panic("no")',
    "<label> @ref = heading",
    "a -- b ... ~",
]


@pytest.mark.parametrize("words", HOSTILE)
def test_markup_prints_as_it_was_typed(words: str) -> None:
    assert words in _text(
        invoice(replace(LINE, label=words, description=words), buyer=replace(BUYER, name=words))
    )


def test_accents_apostrophes_and_other_alphabets() -> None:
    words = "Œuvre d'été à l’Haÿ-les-Roses — Łódź Ærø Ελλάς Київ №5 ½"
    assert words in _text(invoice(buyer=replace(BUYER, name=words)))


def test_emoji_and_ideograms_leave_a_box_on_the_page_and_stay_whole_in_the_xml() -> None:
    facts = invoice(buyer=replace(BUYER, name="Café 👩\u200d💻☕️ 漢字 ﬁn"))
    assert f"Café {MISSING}☕ {MISSING} fin" in _text(facts)
    assert "Café 👩\u200d💻☕️ 漢字 ﬁn".encode() in cii(facts)


def test_right_to_left_overrides_cannot_disguise_a_name() -> None:
    assert drawable("abc\u202edcba\u2066") == "abcdcba"


def test_very_long_names_stay_on_the_paper() -> None:
    name = "Société " + "anticonstitutionnellement" * 12
    parties = {"buyer": replace(BUYER, name=name), "seller": replace(SELLER, name=name)}
    reader = _opened(invoice(replace(LINE, label="§" * 400), **parties))
    printed = [line for page in reader.pages for line in page.extract_text().splitlines()]
    assert max(map(len, printed)) < 250
    assert sum(line.count("§") for line in printed) == 400


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_whatever_stops_an_invoice(name: str, label: str) -> None:
    facts = invoice(replace(LINE, label=label), buyer=replace(BUYER, name=name))
    assert render(facts).startswith(b"%PDF-1.7")


def test_all_that_counts_as_drawable_is_drawn() -> None:
    kept = [char for char in map(chr, range(0x20, 0x3000)) if drawable(char) == char]
    assert len(kept) > 2400
    assert MISSING in kept
    assert render(invoice(replace(LINE, label=" ".join(kept))))


@given(st.text(st.characters()))
def test_cleaned_text_is_stable(text: str) -> None:
    assert drawable(drawable(text)) == drawable(text)
    assert printable(printable(text)) == printable(text)
    assert not any(unicodedata.category(char) in ("Cf", "Cs") for char in drawable(text))


def test_the_same_facts_give_the_same_bytes_in_any_process() -> None:
    code = (
        "import hashlib; from billing.documents.page import render;from "
        "tests.billing.documents.invoice_fixtures import "
        "invoice;print(hashlib.sha256(render(invoice())).hexdigest())"
    )
    environment = {**os.environ, "TZ": "Pacific/Auckland", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    other = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == hashlib.sha256(render(invoice())).hexdigest()
    assert render(invoice()) != render(invoice(number="FA-2026-000124"))


async def test_rendering_leaves_the_event_loop_free_and_agrees_with_itself() -> None:
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0.001)

    heart = asyncio.create_task(beat())
    files = await asyncio.gather(*[rendered(invoice()) for _ in range(10)])
    heart.cancel()
    assert set(files) == {render(invoice())}
    assert beats > 5  # of hundreds; one or two, were the loop held
