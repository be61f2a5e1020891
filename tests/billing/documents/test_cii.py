"""What the structured invoice states. test_conformity.py checks it against the rules."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal

import facturx
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from billing.documents.cii import build_cii
from billing.documents.element import NAMESPACES, remove_unprintable
from billing.documents.facts import InvoiceFacts, Original
from models.billing.invoice import DocumentType
from models.billing.tax_rule import Treatment
from tests.billing.documents.invoice_fixtures import (
    BUYER,
    LINE,
    SELLER,
    invoice,
    invoice_paid_by_card,
)
from tests.billing.documents.invoice_kinds import KINDS

ORIGINAL_INVOICE = Original(number="FA-2026-000001", issued_on=date(2026, 11, 1))
VAT_FREE_LINE = replace(LINE, vat_basis_points=0)


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
        replace(LINE, vat_basis_points=210),
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


def test_a_buyer_outside_of_france_is_identified_and_reached() -> None:
    texts = _xml_reader(KINDS["New Caledonia: transfer"])
    assert texts("ram:SpecifiedLegalOrganization/ram:ID", schemeID="0228") == ["1234567.001"]
    assert texts("ram:URIID", schemeID="EM") == ["compta@nickel.example"]
    german = _xml_reader(KINDS["Germany: transfer"])
    assert german("ram:SpecifiedLegalOrganization/ram:ID", schemeID="0223") == ["DE136695976"]
    assert german("ram:BuyerTradeParty/ram:ID") == ["HRB 12345"]


def test_outside_the_scope_there_is_neither_a_rate_nor_a_vat_number() -> None:
    texts = _xml_reader(KINDS["Switzerland: transfer"])
    assert set(texts("ram:CategoryCode")) == {"O"}
    assert texts("ram:RateApplicablePercent") == []
    assert texts("ram:SpecifiedTaxRegistration/ram:ID", schemeID="VA") == []
    assert texts("ram:SpecifiedTaxRegistration/ram:ID", schemeID="FC") == ["404833048"]
    assert "N° TVA : FR83404833048" in texts("ram:SellerTradeParty/ram:Description")[0]


def test_rates_are_written_as_br_fr_16_requires() -> None:
    lines = [replace(LINE, vat_basis_points=rate) for rate in (2000, 1000, 850, 550, 210)]
    rates = _xml_reader(invoice(*lines))("ram:ApplicableTradeTax/ram:RateApplicablePercent")
    assert set(rates) == {"20.00", "10.00", "8.50", "5.50", "2.10"}


def test_the_mention_and_code_of_a_tax_rule_replace_those_of_the_treatment() -> None:
    facts = replace(KINDS["Guyane: transfer"], vat_mention="Exonéré", exemption_code="VATEX-FR-AE")
    texts = _xml_reader(facts)
    assert texts("ram:ExemptionReason") == ["Exonéré"]
    assert texts("ram:ExemptionReasonCode") == ["VATEX-FR-AE"]


def test_a_direct_debit_states_mandate_and_creditor() -> None:
    texts = _xml_reader(KINDS["metropolitan: direct debit"])
    assert texts("ram:DirectDebitMandateID") == ["MANDAT-0042"]
    assert texts("ram:CreditorReferenceID") == ["FR72ZZZ123456"]
