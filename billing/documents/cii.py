"""The structured part of an invoice: its data as UN/CEFACT CII, profile EN 16931.

The nesting in the code is that of the document, and the order of siblings is that of the schema, in
which the order matters.
"""

from datetime import date

from lxml import etree

from billing.documents.element import NAMESPACES, RAM, RSM, Node, amount, day, el, fill, percent
from billing.documents.facts import (
    ON_DEBITS,
    Address,
    InvoiceFacts,
    Line,
    Note,
    Original,
    Party,
    PaymentMeans,
    Treatment,
)
from models.billing.money import VatBand

PROFILE = "urn:cen.eu:en16931:2017"

CATEGORIES = {Treatment.EXEMPT_SELLER: "E", Treatment.REVERSE_CHARGE: "AE"}
EXEMPTIONS = {
    Treatment.EXEMPT_SELLER: "VATEX-FR-FRANCHISE",
    Treatment.REVERSE_CHARGE: "VATEX-EU-AE",
}


def cii(facts: InvoiceFacts) -> bytes:
    """The invoice as UTF-8 XML. The same data gives the same bytes."""
    root = etree.Element(f"{{{RSM}}}CrossIndustryInvoice", nsmap=NAMESPACES)
    fill(root, (_context(facts), _document(facts), _transaction(facts)))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _context(facts: InvoiceFacts) -> Node:
    return el(
        "rsm:ExchangedDocumentContext",
        el("BusinessProcessSpecifiedDocumentContextParameter", el("ID", facts.process)),
        el("GuidelineSpecifiedDocumentContextParameter", el("ID", PROFILE)),
    )


def _document(facts: InvoiceFacts) -> Node:
    return el(
        "rsm:ExchangedDocument",
        el("ID", facts.number),
        el("TypeCode", str(facts.type.value)),
        el("IssueDateTime", day(facts.issued_on)),
        (
            el("IncludedNote", el("Content", note.text), el("SubjectCode", note.code))
            for note in _notes(facts)
        ),
    )


def _notes(facts: InvoiceFacts) -> list[Note]:
    """EN 16931 has no fields for these three texts, so they are notes without a code."""
    notes = [*facts.notes, Note(text=facts.category)]
    if facts.vat_on_debits:
        notes.append(Note(text=ON_DEBITS))
    if facts.buyer.billing_address:
        notes.append(
            Note(text=f"Adresse de facturation : {_one_line(facts.buyer.billing_address)}")
        )
    return notes


def _one_line(address: Address) -> str:
    return ", ".join([*address.lines, f"{address.postcode} {address.city}", address.country])


def _transaction(facts: InvoiceFacts) -> Node:
    return el(
        "rsm:SupplyChainTradeTransaction",
        (_line(facts, position, line) for position, line in enumerate(facts.lines, 1)),
        _agreement(facts),
        etree.Element(f"{{{RAM}}}ApplicableHeaderTradeDelivery"),  # the schema wants it, even empty
        _settlement(facts),
    )


def _line(facts: InvoiceFacts, position: int, line: Line) -> Node:
    price = el("ChargeAmount", amount(line.unit_price_cents))
    return el(
        "IncludedSupplyChainTradeLineItem",
        el("AssociatedDocumentLineDocument", el("LineID", str(position))),
        el("SpecifiedTradeProduct", el("Name", line.label), el("Description", line.description)),
        el("SpecifiedLineTradeAgreement", el("NetPriceProductTradePrice", price)),
        el(
            "SpecifiedLineTradeDelivery",
            el("BilledQuantity", f"{line.quantity:f}", unitCode=line.unit),
        ),
        _line_settlement(facts, line),
    )


def _line_settlement(facts: InvoiceFacts, line: Line) -> Node:
    return el(
        "SpecifiedLineTradeSettlement",
        el(
            "ApplicableTradeTax",
            el("TypeCode", "VAT"),
            el("CategoryCode", _category(facts, line.vat_basis_points)),
            el("RateApplicablePercent", percent(line.vat_basis_points)),
        ),
        _period(line.period_start, line.period_end),
        _discount(line),
        el(
            "SpecifiedTradeSettlementLineMonetarySummation",
            el("LineTotalAmount", amount(line.net_cents)),
        ),
    )


def _discount(line: Line) -> Node:
    if not line.discount_cents:
        return None
    return el(
        "SpecifiedTradeAllowanceCharge",
        el("ChargeIndicator", el("udt:Indicator", "false")),
        el("ActualAmount", amount(line.discount_cents)),
        el("Reason", line.discount_reason or "Remise"),
    )


def _agreement(facts: InvoiceFacts) -> Node:
    order = el("IssuerAssignedID", facts.order_number) if facts.order_number else None
    return el(
        "ApplicableHeaderTradeAgreement",
        _party("SellerTradeParty", facts.seller),
        _party("BuyerTradeParty", facts.buyer),
        el("BuyerOrderReferencedDocument", order),
    )


def _party(role: str, party: Party) -> Node:
    return el(
        role,
        el("GlobalID", party.siret, schemeID="0009"),
        el("Name", party.name),
        el("Description", party.legal if role == "SellerTradeParty" else None),
        el("SpecifiedLegalOrganization", el("ID", party.siren, schemeID="0002")),
        _contact(party),
        _address(party.address),
        el("URIUniversalCommunication", el("URIID", party.electronic_address, schemeID="0225")),
        _tax_registration(role, party),
    )


def _contact(party: Party) -> Node:
    if not (party.email or party.phone):
        return None
    return el(
        "DefinedTradeContact",
        el("PersonName", party.name),
        el("TelephoneUniversalCommunication", el("CompleteNumber", party.phone)),
        el("EmailURIUniversalCommunication", el("URIID", party.email)),
    )


def _address(address: Address) -> Node:
    first, second, *rest = [*address.lines, "", ""]
    return el(
        "PostalTradeAddress",
        el("PostcodeCode", address.postcode),
        el("LineOne", first),
        el("LineTwo", second),
        el("LineThree", ", ".join(filter(None, rest))),
        el("CityName", address.city),
        el("CountryID", address.country),
    )


def _tax_registration(role: str, party: Party) -> Node:
    """A seller without a VAT number is identified to the tax office by the SIREN; BR-E-02 requires
    one of the two.
    """
    if party.vat_number:
        return el("SpecifiedTaxRegistration", el("ID", party.vat_number, schemeID="VA"))
    return (
        el("SpecifiedTaxRegistration", el("ID", party.siren, schemeID="FC"))
        if role == "SellerTradeParty"
        else None
    )


def _settlement(facts: InvoiceFacts) -> Node:
    return el(
        "ApplicableHeaderTradeSettlement",
        el("PaymentReference", facts.payment.reference if facts.payment else None),
        el("InvoiceCurrencyCode", facts.currency),
        _payment_means(facts.payment) if facts.payment else None,
        (_vat(facts, band) for band in facts.totals.bands),
        _period(facts.period_start, facts.period_end),
        el(
            "SpecifiedTradePaymentTerms",
            el("Description", facts.payment_terms),
            el("DueDateDateTime", day(facts.due_on)),
        ),
        _summation(facts),
        (_original(original) for original in facts.originals),
    )


def _payment_means(payment: PaymentMeans) -> Node:
    return el(
        "SpecifiedTradeSettlementPaymentMeans",
        el("TypeCode", str(payment.code)),
        el("ApplicableTradeSettlementFinancialCard", el("ID", payment.card_last4)),
        el("PayeePartyCreditorFinancialAccount", el("IBANID", payment.iban)),
        el("PayeeSpecifiedCreditorFinancialInstitution", el("BICID", payment.bic)),
    )


def _vat(facts: InvoiceFacts, band: VatBand) -> Node:
    category = _category(facts, band.basis_points)
    return el(
        "ApplicableTradeTax",
        el("CalculatedAmount", amount(band.vat_cents)),
        el("TypeCode", "VAT"),
        el("ExemptionReason", facts.mention),
        el("BasisAmount", amount(band.net_cents)),
        el("CategoryCode", category),
        el("ExemptionReasonCode", EXEMPTIONS.get(facts.treatment)),
        el("DueDateTypeCode", _due_when(facts) if category == "S" else None),
        el("RateApplicablePercent", percent(band.basis_points)),
    )


def _due_when(facts: InvoiceFacts) -> str:
    """UNTDID 2475: VAT on services is due on payment (72), or on invoicing (5) for sellers who
    opted for debits.
    """
    return "5" if facts.vat_on_debits else "72"


def _summation(facts: InvoiceFacts) -> Node:
    return el(
        "SpecifiedTradeSettlementHeaderMonetarySummation",
        el("LineTotalAmount", amount(facts.totals.net_cents)),
        el("TaxBasisTotalAmount", amount(facts.totals.net_cents)),
        el("TaxTotalAmount", amount(facts.totals.vat_cents), currencyID=facts.currency),
        el("GrandTotalAmount", amount(facts.totals.gross_cents)),
        el("TotalPrepaidAmount", amount(facts.paid_cents)),
        el("DuePayableAmount", amount(facts.payable_cents)),
    )


def _original(original: Original) -> Node:
    return el(
        "InvoiceReferencedDocument",
        el("IssuerAssignedID", original.number),
        el("FormattedIssueDateTime", day(original.issued_on, "qdt")),
    )


def _period(start: date | None, end: date | None) -> Node:
    return el(
        "BillingSpecifiedPeriod",
        el("StartDateTime", day(start) if start else None),
        el("EndDateTime", day(end) if end else None),
    )


def _category(facts: InvoiceFacts, basis_points: int) -> str:
    return CATEGORIES.get(facts.treatment, "S" if basis_points else "Z")
