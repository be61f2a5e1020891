"""The structured part of an invoice: its data as UN/CEFACT CII, profile EN 16931.

The nesting in the code is that of the document, and the order of siblings is that of the schema, in
which the order matters.
"""

from datetime import date

from lxml import etree

from billing.documents.element import (
    NAMESPACES,
    RAM,
    RSM,
    Node,
    amount,
    append_children,
    date_element,
    element,
    percent,
    remove_unprintable,
)
from billing.documents.facts import (
    ON_DEBITS,
    Address,
    InvoiceFacts,
    Line,
    Note,
    Original,
    Party,
    PaymentMeans,
)
from models.billing.money import VatBand
from models.billing.tax_rule import Treatment

PROFILE = "urn:cen.eu:en16931:2017"
SELLER, BUYER = "SellerTradeParty", "BuyerTradeParty"

# UNTDID 5305 (BT-118, BT-151). Z, a rate of zero, doesn't exist in France.
CATEGORIES = {
    Treatment.STANDARD: "S",
    Treatment.EXEMPT_SELLER: "E",
    Treatment.REVERSE_CHARGE: "AE",
    Treatment.NOT_DUE: "E",
    Treatment.OUTSIDE_SCOPE: "O",
}
# BT-121. There is no code for Article 294 of the CGI: the text (BT-120) says it.
EXEMPTIONS = {
    Treatment.EXEMPT_SELLER: "VATEX-FR-FRANCHISE",
    Treatment.REVERSE_CHARGE: "VATEX-EU-AE",
    Treatment.OUTSIDE_SCOPE: "VATEX-EU-O",
}


def build_cii(facts: InvoiceFacts) -> bytes:
    """The invoice as UTF-8 XML. The same data gives the same bytes."""
    root = etree.Element(f"{{{RSM}}}CrossIndustryInvoice", nsmap=NAMESPACES)
    append_children(root, (_context(facts), _document(facts), _transaction(facts)))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _context(facts: InvoiceFacts) -> Node:
    return element(
        "rsm:ExchangedDocumentContext",
        element("BusinessProcessSpecifiedDocumentContextParameter", element("ID", facts.process)),
        element("GuidelineSpecifiedDocumentContextParameter", element("ID", PROFILE)),
    )


def _document(facts: InvoiceFacts) -> Node:
    return element(
        "rsm:ExchangedDocument",
        element("ID", facts.number),
        element("TypeCode", str(facts.type.value)),
        element("IssueDateTime", date_element(facts.issued_on)),
        (
            element(
                "IncludedNote", element("Content", note.text), element("SubjectCode", note.code)
            )
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
    return element(
        "rsm:SupplyChainTradeTransaction",
        (_line(facts, position, line) for position, line in enumerate(facts.lines, 1)),
        _agreement(facts),
        etree.Element(
            f"{{{RAM}}}ApplicableHeaderTradeDelivery"
        ),  # the schema requires it, even empty
        _settlement(facts),
    )


def _line(facts: InvoiceFacts, position: int, line: Line) -> Node:
    price = element("ChargeAmount", amount(line.unit_price_cents))
    return element(
        "IncludedSupplyChainTradeLineItem",
        element("AssociatedDocumentLineDocument", element("LineID", str(position))),
        element(
            "SpecifiedTradeProduct",
            element("Name", line.label),
            element("Description", line.description),
        ),
        element("SpecifiedLineTradeAgreement", element("NetPriceProductTradePrice", price)),
        element(
            "SpecifiedLineTradeDelivery",
            element("BilledQuantity", f"{line.quantity:f}", unitCode=line.unit),
        ),
        _line_settlement(facts, line),
    )


def _line_settlement(facts: InvoiceFacts, line: Line) -> Node:
    return element(
        "SpecifiedLineTradeSettlement",
        element(
            "ApplicableTradeTax",
            element("TypeCode", "VAT"),
            element("CategoryCode", CATEGORIES[facts.treatment]),
            _rate(facts, line.vat_basis_points),
        ),
        _period(line.period_start, line.period_end),
        _discount(line),
        element(
            "SpecifiedTradeSettlementLineMonetarySummation",
            element("LineTotalAmount", amount(line.net_cents)),
        ),
    )


def _discount(line: Line) -> Node:
    if not line.discount_cents:
        return None
    return element(
        "SpecifiedTradeAllowanceCharge",
        element("ChargeIndicator", element("udt:Indicator", "false")),
        element("ActualAmount", amount(line.discount_cents)),
        element("Reason", remove_unprintable(line.discount_reason).strip() or "Remise"),
    )


def _agreement(facts: InvoiceFacts) -> Node:
    order = element("IssuerAssignedID", facts.order_number) if facts.order_number else None
    return element(
        "ApplicableHeaderTradeAgreement",
        _party(SELLER, facts.seller, facts.treatment),
        _party(BUYER, facts.buyer, facts.treatment),
        element("BuyerOrderReferencedDocument", order),
    )


def _party(role: str, party: Party, treatment: Treatment) -> Node:
    scheme, number = party.legal_identifier
    schemes = {"schemeID": scheme} if scheme else {}
    return element(
        role,
        element("ID", party.registration_number if party.registration_number != number else None),
        element("GlobalID", party.siret, schemeID="0009"),
        element("Name", party.name),
        element("Description", _legal_information(party, treatment)) if role == SELLER else None,
        element("SpecifiedLegalOrganization", element("ID", number, **schemes)),
        _contact(party),
        _address(party.address),
        element(
            "URIUniversalCommunication",
            element("URIID", party.electronic_address, schemeID=party.electronic_scheme),
        ),
        _tax_registration(role, party, treatment),
    )


def _legal_information(party: Party, treatment: Treatment) -> str:
    """Legal form, capital and registration (BT-33), and the VAT number that French law requires
    where EN 16931 forbids its own field (BR-O-02).
    """
    is_hidden = treatment is Treatment.OUTSIDE_SCOPE and party.vat_number
    vat_number = f"N° TVA : {party.vat_number}" if is_hidden else ""
    return ", ".join(filter(None, (party.legal, vat_number)))


def _contact(party: Party) -> Node:
    if not (party.email or party.phone):
        return None
    return element(
        "DefinedTradeContact",
        element("PersonName", party.name),
        element("TelephoneUniversalCommunication", element("CompleteNumber", party.phone)),
        element("EmailURIUniversalCommunication", element("URIID", party.email)),
    )


def _address(address: Address) -> Node:
    first, second, *rest = [*address.lines, "", ""]
    return element(
        "PostalTradeAddress",
        element("PostcodeCode", address.postcode),
        element("LineOne", first),
        element("LineTwo", second),
        element("LineThree", ", ".join(filter(None, rest))),
        element("CityName", address.city),
        element("CountryID", address.country),
    )


def _tax_registration(role: str, party: Party, treatment: Treatment) -> Node:
    """The VAT number, which BR-O-02 forbids outside the scope of VAT. A seller without one is
    identified to the tax office by the SIREN; BR-E-02 requires one of the two.
    """
    if party.vat_number and treatment is not Treatment.OUTSIDE_SCOPE:
        return element("SpecifiedTaxRegistration", element("ID", party.vat_number, schemeID="VA"))
    if role == SELLER:
        return element("SpecifiedTaxRegistration", element("ID", party.siren, schemeID="FC"))
    return None


def _settlement(facts: InvoiceFacts) -> Node:
    return element(
        "ApplicableHeaderTradeSettlement",
        element(
            "CreditorReferenceID", facts.payment.creditor_identifier if facts.payment else None
        ),
        element("PaymentReference", facts.payment.reference if facts.payment else None),
        element("InvoiceCurrencyCode", facts.currency),
        _payment_means(facts.payment) if facts.payment else None,
        (_vat(facts, band) for band in facts.totals.bands),
        _period(facts.period_start, facts.period_end),
        element(
            "SpecifiedTradePaymentTerms",
            element("Description", facts.payment_terms),
            element("DueDateDateTime", date_element(facts.due_on)),
            element("DirectDebitMandateID", facts.payment.mandate_reference)
            if facts.payment
            else None,
        ),
        _summation(facts),
        (_original(original) for original in facts.originals),
    )


def _payment_means(payment: PaymentMeans) -> Node:
    return element(
        "SpecifiedTradeSettlementPaymentMeans",
        element("TypeCode", str(payment.code)),
        element("Information", payment.information),
        element("ApplicableTradeSettlementFinancialCard", element("ID", payment.card_last4)),
        element("PayeePartyCreditorFinancialAccount", element("IBANID", payment.iban)),
        element("PayeeSpecifiedCreditorFinancialInstitution", element("BICID", payment.bic)),
    )


def _vat(facts: InvoiceFacts, band: VatBand) -> Node:
    is_taxed = facts.treatment is Treatment.STANDARD
    return element(
        "ApplicableTradeTax",
        element("CalculatedAmount", amount(band.vat_cents)),
        element("TypeCode", "VAT"),
        element("ExemptionReason", facts.vat_notice),
        element("BasisAmount", amount(band.net_cents)),
        element("CategoryCode", CATEGORIES[facts.treatment]),
        element("ExemptionReasonCode", facts.exemption_code or EXEMPTIONS.get(facts.treatment)),
        element("DueDateTypeCode", _due_date_code(facts) if is_taxed else None),
        _rate(facts, band.basis_points),
    )


def _rate(facts: InvoiceFacts, basis_points: int) -> Node:
    """The rate; outside the scope of VAT there is none (BR-O-05)."""
    if facts.treatment is Treatment.OUTSIDE_SCOPE:
        return None
    return element("RateApplicablePercent", percent(basis_points))


def _due_date_code(facts: InvoiceFacts) -> str:
    """UNTDID 2475: VAT on services is due on payment (72), or on invoicing (5) for sellers who
    opted for debits.
    """
    return "5" if facts.vat_on_debits else "72"


def _summation(facts: InvoiceFacts) -> Node:
    return element(
        "SpecifiedTradeSettlementHeaderMonetarySummation",
        element("LineTotalAmount", amount(facts.totals.net_cents)),
        element("TaxBasisTotalAmount", amount(facts.totals.net_cents)),
        element("TaxTotalAmount", amount(facts.totals.vat_cents), currencyID=facts.currency),
        element("GrandTotalAmount", amount(facts.totals.gross_cents)),
        element("TotalPrepaidAmount", amount(facts.paid_cents)),
        element("DuePayableAmount", amount(facts.payable_cents)),
    )


def _original(original: Original) -> Node:
    return element(
        "InvoiceReferencedDocument",
        element("IssuerAssignedID", original.number),
        element("FormattedIssueDateTime", date_element(original.issued_on, "qdt")),
    )


def _period(start: date | None, end: date | None) -> Node:
    return element(
        "BillingSpecifiedPeriod",
        element("StartDateTime", date_element(start) if start else None),
        element("EndDateTime", date_element(end) if end else None),
    )
