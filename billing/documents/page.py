"""What the page of an invoice says: the input of the template, with all amounts and dates written
for the reader.

A page in English keeps the mentions that French law words, with an explanation after each.
"""

from datetime import date
from decimal import Decimal
from itertools import accumulate
from typing import Any

from babel.dates import format_date
from babel.numbers import format_decimal, format_percent

from billing.documents.facts import (
    ON_DEBITS,
    Address,
    InvoiceFacts,
    Line,
    Party,
    PaymentMeans,
)
from billing.documents.fonts import FAMILIES
from models.billing.invoice import DocumentType
from models.billing.money import Money, VatBand
from models.billing.tax_rule import Treatment
from models.countries import country_name
from models.locale import Locale
from models.translations import Translatable, _, day, text

TITLES = {
    DocumentType.INVOICE: _("Invoice"),
    DocumentType.CREDIT_NOTE: _("Credit note"),
    DocumentType.CORRECTIVE_INVOICE: _("Corrective invoice"),
}
ORIGINALS = {
    DocumentType.INVOICE: _("Refers to invoice %(number)s of %(day)s."),
    DocumentType.CREDIT_NOTE: _("Credits invoice %(number)s of %(day)s."),
    DocumentType.CORRECTIVE_INVOICE: _("Cancels and replaces invoice %(number)s of %(day)s."),
}
LABELS = {
    "seller": _("Seller"),
    "buyer": _("Buyer"),
    "billing": _("Billing address"),
    "description": _("Description"),
    "quantity": _("Quantity"),
    "price": _("Unit price excl. VAT"),
    "vat": _("VAT"),
    "amount": _("Amount excl. VAT"),
    "by_rate": _("VAT by rate"),
    "rate": _("Rate"),
    "base": _("Net amount"),
    "carried_forward": _("Carried forward:"),
    "brought_forward": _("Brought forward:"),
}
# How a card, a transfer and a direct debit are named (UNTDID 4461).
MEANS = {
    1: _("Bank transfer"),
    30: _("Bank transfer"),
    48: _("Card"),
    54: _("Card"),
    58: _("SEPA credit transfer"),
    59: _("SEPA direct debit"),
    68: _("Online payment"),
    97: _("Your balance with us"),
}
# What the mentions in French mean, for readers of English.
EXPLANATIONS = {
    Treatment.EXEMPT_SELLER: "the seller is exempt from VAT",
    Treatment.REVERSE_CHARGE: "reverse charge: the customer is liable for the VAT",
    Treatment.NOT_DUE: "no VAT is due in the customer’s territory",
    Treatment.OUTSIDE_SCOPE: "outside the scope of French VAT",
    ON_DEBITS: "VAT is due when invoiced",
    "Prestation de services": "services",
    "Livraison de biens": "goods",
    "Livraison de biens et prestation de services": "goods and services",
}


def page_content(facts: InvoiceFacts, locale: Locale) -> dict[str, Any]:
    """The input of the template `invoice.typ`: texts, and lists and dictionaries of texts."""
    is_abroad = any(party.address.country != "FR" for party in (facts.seller, facts.buyer))
    return {
        "locale": locale.value,
        "fonts": [*FAMILIES],
        "labels": {name: text(label, locale) for name, label in LABELS.items()},
        "title": text(TITLES[facts.type], locale),
        "number": facts.number,
        "dates": _dates(facts, locale),
        "correction": _correction(facts, locale),
        "seller": _party(facts.seller, is_abroad, locale),
        "buyer": _party(facts.buyer, is_abroad, locale),
        "lines": _lines(facts, locale),
        "bands": [_vat_band(band, facts, locale) for band in facts.totals.bands],
        "vat_notice": _explained(facts.vat_notice, facts.treatment, locale),
        "totals": _totals(facts, locale),
        "payment": _payment(facts, locale),
        "footer": _footer(facts.seller, locale),
        "mentions": _mentions(facts, locale),
        "terms": [*filter(None, (facts.payment_terms, *_terms(facts)))],
    }


def _dates(facts: InvoiceFacts, locale: Locale) -> list[list[str]]:
    rows = [
        [text(_("Issue date"), locale), day(facts.issued_on, locale)],
        [text(_("Period"), locale), _period(facts.period_start, facts.period_end, locale)],
        [text(_due_label(facts), locale), day(facts.due_on, locale)],
        [text(_("Order number"), locale), facts.order_number],
    ]
    if facts.type is DocumentType.CREDIT_NOTE:  # nothing is due
        del rows[2]
    return [row for row in rows if row[1]]


def _due_label(facts: InvoiceFacts) -> Translatable:
    return _("Paid on") if facts.process == "S2" else _("Due date")


def _correction(facts: InvoiceFacts, locale: Locale) -> list[str]:
    """What a document corrects, and the reason: its notes without a code."""
    if not facts.originals:
        return []
    message = ORIGINALS[facts.type]
    originals = [
        text(message, locale, number=original.number, day=original.issued_on)
        for original in facts.originals
    ]
    return [*originals, *(note.text for note in facts.notes if not note.code)]


def _terms(facts: InvoiceFacts) -> list[str]:
    return [note.text for note in facts.notes if note.code or not facts.originals]


def _party(party: Party, is_abroad: bool, locale: Locale) -> dict[str, Any]:
    billing = party.billing_address
    identifiers = [
        [text(_("SIREN:"), locale), _group_digits(party.siren, 3, 3, 3)],
        [text(_("SIRET:"), locale), _group_digits(party.siret, 3, 3, 3, 5)],
        [text(_("Registration number:"), locale), party.registration_number],
        [text(_("VAT number:"), locale), party.vat_number],
        [text(_("Electronic address:"), locale), party.electronic_address],
    ]
    return {
        "name": party.name,
        "legal": party.legal,
        "address": _address(party.address, is_abroad, locale),
        "billing": _address(billing, is_abroad, locale) if billing else [],
        "identifiers": [row for row in identifiers if row[1]],
        "contact": [*filter(None, (party.email, party.phone))],
    }


def _address(address: Address, is_abroad: bool, locale: Locale) -> list[str]:
    country = country_name(address.country, locale) if is_abroad or address.country != "FR" else ""
    return [*filter(None, (*address.lines, f"{address.postcode} {address.city}".strip(), country))]


def _group_digits(digits: str, *sizes: int) -> str:
    """A registration number in the groups in which people read it, separated by non-breaking
    spaces.
    """
    parts, rest = [], digits
    for size in sizes:
        parts.append(rest[:size])
        rest = rest[size:]
    return "\N{NO-BREAK SPACE}".join(filter(None, [*parts, rest]))


def _lines(facts: InvoiceFacts, locale: Locale) -> list[dict[str, Any]]:
    """The lines; `carried` is the net amount of the line and all before it, for page breaks."""
    sums = accumulate(line.net_cents for line in facts.lines)
    return [
        {**_line(line, facts, locale), "carried": _money(cents, facts, locale)}
        for line, cents in zip(facts.lines, sums, strict=True)
    ]


def _line(line: Line, facts: InvoiceFacts, locale: Locale) -> dict[str, Any]:
    return {
        "label": line.label,
        "description": line.description,
        "period": _period(line.period_start, line.period_end, locale),
        "quantity": format_decimal(line.quantity, locale=locale),
        "price": _money(line.unit_price_cents, facts, locale),
        "discount": _discount(line, facts, locale),
        "rate": _percent(line.vat_basis_points, facts, locale),
        "net": _money(line.net_cents, facts, locale),
    }


def _discount(line: Line, facts: InvoiceFacts, locale: Locale) -> str:
    if not line.discount_cents:
        return ""
    reason = line.discount_reason or _("Discount")
    amount = _money(-line.discount_cents, facts, locale)
    return text(_("%(reason)s: %(amount)s"), locale, reason=reason, amount=amount)


def _vat_band(band: VatBand, facts: InvoiceFacts, locale: Locale) -> list[str]:
    return [
        _percent(band.basis_points, facts, locale),
        _money(band.net_cents, facts, locale),
        _money(band.vat_cents, facts, locale),
    ]


def _totals(facts: InvoiceFacts, locale: Locale) -> dict[str, Any]:
    is_credit = facts.type is DocumentType.CREDIT_NOTE
    paid = _("Already refunded") if is_credit else _("Already paid")
    payable = _("Amount credited") if is_credit else _("Amount due")
    return {
        "sums": [
            [text(_("Total excl. VAT"), locale), _money(facts.totals.net_cents, facts, locale)],
            [text(_("Total VAT"), locale), _money(facts.totals.vat_cents, facts, locale)],
        ],
        "gross": [
            text(_("Total incl. VAT"), locale),
            _money(facts.totals.gross_cents, facts, locale),
        ],
        "paid": [text(paid, locale), _money(-facts.paid_cents, facts, locale)]
        if facts.paid_cents
        else [],
        "payable": [text(payable, locale), _money(facts.payable_cents, facts, locale)],
    }


def _payment(facts: InvoiceFacts, locale: Locale) -> dict[str, Any] | None:
    """How to pay, or how it was paid. None when nothing is known about it."""
    payment = facts.payment
    if payment is None:
        return None
    rows = [
        ["", _means(payment, locale)],
        [text(_("IBAN:"), locale), _group_digits(payment.iban, *[4] * 8)],
        [text(_("BIC:"), locale), payment.bic],
        [text(_("Reference to quote:"), locale), payment.reference],
        [text(_("Mandate:"), locale), payment.mandate_reference],
        [text(_("Creditor identifier:"), locale), payment.creditor_identifier],
    ]
    heading = _("Paid by") if facts.process == "S2" else _("Payment")
    return {"heading": text(heading, locale), "rows": [row for row in rows if row[1]]}


def _means(payment: PaymentMeans, locale: Locale) -> str:
    name = payment.information or text(MEANS[payment.code], locale)
    last_digits = payment.card_last4 or payment.account_last4
    return f"{name} ••••\N{NO-BREAK SPACE}{last_digits}" if last_digits else name


def _footer(seller: Party, locale: Locale) -> str:
    parts = [
        seller.name,
        seller.legal,
        f"SIREN\N{NO-BREAK SPACE}{_group_digits(seller.siren, 3, 3)}",
    ]
    if seller.vat_number:
        vat_number = text(_("VAT %(number)s"), locale, number=seller.vat_number)
        parts.append(vat_number.replace(" ", "\N{NO-BREAK SPACE}"))
    return " · ".join(filter(None, parts))


def _mentions(facts: InvoiceFacts, locale: Locale) -> list[str]:
    """The mentions of the category of operation (CGI, annexe II, art. 242 nonies A) and of the
    option for debits.
    """
    category = _explained(facts.category, facts.category, locale)
    mentions = [text(_("Category of operation: %(category)s"), locale, category=category)]
    if facts.vat_on_debits:
        mentions.append(_explained(ON_DEBITS, ON_DEBITS, locale))
    return mentions


def _explained(mention: str, key: str, locale: Locale) -> str:
    """The mention, with its meaning for a reader of another language."""
    if locale is Locale.FR or key not in EXPLANATIONS:
        return mention
    return f"{mention} ({EXPLANATIONS[key]})"


def _period(start: date | None, end: date | None, locale: Locale) -> str:
    """Both days in words. The month and the year are written once when they are the same."""
    if not start or not end:
        return "".join(day(date_, locale) for date_ in (start, end) if date_)
    return text(_("%(start)s to %(end)s"), locale, start=_short_day(start, end, locale), end=end)


def _short_day(start: date, end: date, locale: Locale) -> str:
    if start.year != end.year:
        return day(start, locale)
    return day(start, locale).removesuffix(format_date(start, " y", locale=locale.value))


def _money(cents: int, facts: InvoiceFacts, locale: Locale) -> str:
    return Money(cents, facts.currency).formatted(locale)


def _percent(basis_points: int, facts: InvoiceFacts, locale: Locale) -> str:
    if facts.treatment is Treatment.OUTSIDE_SCOPE:
        return "–"  # no rate applies, not even 0 %
    return format_percent(
        Decimal(basis_points).scaleb(-4),
        "#,##0.##\u00a0%" if locale == Locale.FR else "0.##%",
        locale=locale,
    )
