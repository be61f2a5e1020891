"""The invoice as a Factur-X file: a page for people, with the structured invoice inside (PDF/A-3b).

typst renders the page and embeds the XML; the metadata by which software finds the XML is added
afterwards. User text is passed as JSON input, never in the template's source, so it can't be
executed. Nothing depends on the time or the machine: the same data gives the same bytes, whose
SHA-256 later proves that a stored file is the one that was issued.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import typst
from babel.numbers import format_decimal, format_percent

from billing.documents.cii import build_cii
from billing.documents.facts import (
    ON_DEBITS,
    Address,
    DocumentType,
    InvoiceFacts,
    Line,
    Original,
    Party,
)
from billing.documents.fonts import FAMILIES, common_text, fonts, printable_text
from models.billing.money import Money, VatBand
from models.locale import Locale
from models.translations import _, day, text

TEMPLATE = Path(__file__).parent / "templates" / "invoice.typ"

_MISSING_GLYPH_ERROR = "could not be displayed"
_METADATA = re.compile(
    rb"(?P<start>\d+ 0 obj\n<</Length (?P<length>\d+)/Type/Metadata/Subtype/XML>>\nstream\n)"
    rb"(?P<xmp><\?xpacket.*?</x:xmpmeta>.*?)(?=\nendstream)",
    re.DOTALL,
)
_EXTENSIONS = b"<pdfaExtension:schemas><rdf:Bag>"
_FACTUR_X = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
# The properties by which software finds the XML, and their declaration, which PDF/A requires
# (Factur-X 1.09, 6.2; ISO 19005-3, 6.6.2.3).
_PROPERTIES = {
    "DocumentType": "INVOICE",
    "DocumentFileName": "factur-x.xml",
    "Version": "1.0",
    "ConformanceLevel": "EN 16931",
}
FACTUR_X_SCHEMA = (
    '<rdf:li rdf:parseType="Resource"><pdfaSchema:schema>Factur-X</pdfaSchema:schema>'
    f"<pdfaSchema:namespaceURI>{_FACTUR_X}</pdfaSchema:namespaceURI>"
    "<pdfaSchema:prefix>fx</pdfaSchema:prefix><pdfaSchema:property><rdf:Seq>"
    + "".join(
        '<rdf:li rdf:parseType="Resource"><pdfaProperty:category>external</pdfaProperty:category>'
        f"<pdfaProperty:description>{name} of the embedded invoice</pdfaProperty:description>"
        f"<pdfaProperty:name>{name}</pdfaProperty:name>"
        "<pdfaProperty:valueType>Text</pdfaProperty:valueType></rdf:li>"
        for name in _PROPERTIES
    )
    + "</rdf:Seq></pdfaSchema:property></rdf:li>"
).encode()
FACTUR_X_PROPERTIES = (
    f'<rdf:Description rdf:about="" xmlns:fx="{_FACTUR_X}">'
    + "".join(f"<fx:{name}>{value}</fx:{name}>" for name, value in _PROPERTIES.items())
    + "</rdf:Description>"
).encode()

TITLES = {
    DocumentType.INVOICE: _("Invoice"),
    DocumentType.CREDIT_NOTE: _("Credit note"),
    DocumentType.CORRECTIVE_INVOICE: _("Corrective invoice"),
}
LABELS = {
    "siren": _("SIREN:"),
    "siret": _("SIRET:"),
    "vat_number": _("VAT number:"),
    "seller": _("Seller"),
    "buyer": _("Buyer"),
    "electronic": _("Electronic address:"),
    "billing": _("Billing address:"),
    "description": _("Description"),
    "quantity": _("Quantity"),
    "price": _("Unit price excl. VAT"),
    "vat": _("VAT"),
    "amount": _("Amount excl. VAT"),
    "by_rate": _("VAT by rate"),
    "rate": _("Rate"),
    "base": _("Net amount"),
    "net": _("Total excl. VAT"),
    "total_vat": _("Total VAT"),
    "gross": _("Total incl. VAT"),
    "paid": _("Already paid"),
    "iban": _("IBAN:"),
    "bic": _("BIC:"),
    "reference": _("Reference to quote:"),
    "category": _("Category of operation:"),
}


def render(facts: InvoiceFacts, locale: Locale | str = Locale.FR) -> bytes:
    """The Factur-X PDF, with the page in the reader's language. The same data gives the same bytes.

    Any text is accepted: what no font has is replaced by □ on the page, and is complete in the XML.
    """
    page, xml = _page(facts, Locale(locale)), build_cii(facts).decode()
    try:
        pdf = _compile(_map_texts(page, printable_text), xml, facts)
    except typst.TypstError as error:
        if _MISSING_GLYPH_ERROR not in error.message:
            raise
        # A combination of characters that the fonts have, but can't show together.
        pdf = _compile(_map_texts(page, common_text), xml, facts)
    return _add_metadata(pdf)


def _compile(page: dict[str, Any], xml: str, facts: InvoiceFacts) -> bytes:
    return typst.compile(
        TEMPLATE,
        font_paths=fonts(),
        ignore_system_fonts=True,
        sys_inputs={"page": orjson.dumps(page).decode(), "xml": xml},
        pdf_standards=["a-3b"],
        timestamp=_issued_at(facts),
    )


def _issued_at(facts: InvoiceFacts) -> datetime:
    return datetime.combine(facts.issued_on, time(), UTC)


def _page(facts: InvoiceFacts, locale: Locale) -> dict[str, Any]:
    """The input of the template, with all amounts and dates formatted for the reader."""
    return {
        "locale": locale.value,
        "fonts": [*FAMILIES],
        "labels": {name: text(label, locale) for name, label in LABELS.items()},
        "title": text(TITLES[facts.type], locale),
        "number": facts.number,
        "period": [
            text(_("Period"), locale),
            _period(facts.period_start, facts.period_end, locale),
        ],
        "dates": _dates(facts, locale),
        "originals": [_original(original, locale) for original in facts.originals],
        "seller": _party(facts.seller),
        "buyer": _party(facts.buyer),
        "lines": [_line(line, facts, locale) for line in facts.lines],
        "bands": [_vat_band(band, facts, locale) for band in facts.totals.bands],
        "totals": _totals(facts, locale),
        "payment": _payment(facts, locale),
        "seller_vat": text(_("VAT %(number)s"), locale, number=facts.seller.vat_number)
        if facts.seller.vat_number
        else "",
        "category": facts.category,
        "mentions": [*filter(None, (facts.vat_notice, ON_DEBITS * facts.vat_on_debits))],
        "terms": [*filter(None, (facts.payment_terms, *(note.text for note in facts.notes)))],
    }


def _dates(facts: InvoiceFacts, locale: Locale) -> list[list[str]]:
    due_label = _("Paid on") if facts.process == "S2" else _("Due date")
    rows = [
        [text(_("Issue date"), locale), day(facts.issued_on, locale)],
        [text(due_label, locale), day(facts.due_on, locale)],
        [text(_("Order number"), locale), facts.order_number],
    ]
    return [row for row in rows if row[1]]


def _original(original: Original, locale: Locale) -> str:
    message = _("Cancels or corrects invoice %(number)s of %(day)s.")
    return text(message, locale, number=original.number, day=original.issued_on)


def _party(party: Party) -> dict[str, Any]:
    return {
        "name": party.name,
        "legal": party.legal,
        "address": _address(party.address),
        "billing": _address(party.billing_address) if party.billing_address else [],
        "siren": _group_digits(party.siren, 3, 3, 3),
        "siret": _group_digits(party.siret, 3, 3, 3, 5),
        "vat": party.vat_number,
        "contact": [*filter(None, (party.email, party.phone))],
        "electronic": party.electronic_address,
    }


def _address(address: Address) -> list[str]:
    country = [] if address.country == "FR" else [address.country]
    return [*filter(None, address.lines), f"{address.postcode} {address.city}".strip(), *country]


def _group_digits(digits: str, *sizes: int) -> str:
    """A registration number in the groups in which people read it, separated by non-breaking
    spaces.
    """
    parts, rest = [], digits
    for size in sizes:
        parts.append(rest[:size])
        rest = rest[size:]
    return "\N{NO-BREAK SPACE}".join(filter(None, [*parts, rest]))


def _line(line: Line, facts: InvoiceFacts, locale: Locale) -> dict[str, Any]:
    return {
        "label": line.label,
        "description": line.description,
        "period": _period(line.period_start, line.period_end, locale),
        "quantity": format_decimal(line.quantity, locale=locale),
        "price": _money(line.unit_price_cents, facts, locale),
        "discount": _discount(line, facts, locale),
        "rate": _percent(line.vat_basis_points, locale),
        "net": _money(line.net_cents, facts, locale),
    }


def _discount(line: Line, facts: InvoiceFacts, locale: Locale) -> str:
    if not line.discount_cents:
        return ""
    reason = line.discount_reason or _("Discount")
    return text(
        _("%(reason)s: %(amount)s"),
        locale,
        reason=reason,
        amount=_money(-line.discount_cents, facts, locale),
    )


def _vat_band(band: VatBand, facts: InvoiceFacts, locale: Locale) -> dict[str, str]:
    return {
        "rate": _percent(band.basis_points, locale),
        "net": _money(band.net_cents, facts, locale),
        "vat": _money(band.vat_cents, facts, locale),
    }


def _totals(facts: InvoiceFacts, locale: Locale) -> dict[str, str]:
    payable = _("Amount credited") if facts.type is DocumentType.CREDIT_NOTE else _("Amount due")
    return {
        "payable_label": text(payable, locale),
        "net": _money(facts.totals.net_cents, facts, locale),
        "vat": _money(facts.totals.vat_cents, facts, locale),
        "gross": _money(facts.totals.gross_cents, facts, locale),
        "paid": _money(-facts.paid_cents, facts, locale) if facts.paid_cents else "",
        "payable": _money(facts.payable_cents, facts, locale),
    }


def _payment(facts: InvoiceFacts, locale: Locale) -> dict[str, Any] | None:
    payment = facts.payment
    if payment is None:
        return None
    heading = _("Paid by") if facts.process == "S2" else _("Payment")
    return {
        "heading": text(heading, locale),
        "iban": _group_digits(payment.iban, *[4] * 8),
        "bic": payment.bic,
        "reference": payment.reference,
        "card": text(_("Card •••• %(last_four)s"), locale, last_four=payment.card_last4)
        if payment.card_last4
        else "",
    }


def _period(start: date | None, end: date | None, locale: Locale) -> str:
    if start and end:
        return text(_("%(start)s to %(end)s"), locale, start=start, end=end)
    return "".join(day(date_, locale) for date_ in (start, end) if date_)


def _money(cents: int, facts: InvoiceFacts, locale: Locale) -> str:
    return Money(cents, facts.currency).formatted(locale)


def _percent(basis_points: int, locale: Locale) -> str:
    return format_percent(
        Decimal(basis_points).scaleb(-4),
        "#,##0.##\u00a0%" if locale == Locale.FR else "0.##%",
        locale=locale,
    )


def _map_texts(value: Any, change: Callable[[str], str]) -> Any:
    """The value with every text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _map_texts(item, change) for key, item in value.items()}
    return [_map_texts(item, change) for item in value] if isinstance(value, list) else value


def _add_metadata(pdf: bytes) -> bytes:
    """The PDF with the metadata of Factur-X: typst embeds the XML but can't write this XMP.

    Only the metadata and the offsets of what follows it change: reading and writing the whole file
    with a library takes twice as long as typst takes for all of it.
    """
    found = _METADATA.search(pdf)
    if not found or _EXTENSIONS not in found["xmp"]:
        raise ValueError("the metadata of typst is not as expected")
    xmp = found["xmp"].replace(_EXTENSIONS, _EXTENSIONS + FACTUR_X_SCHEMA)
    xmp = xmp.replace(b"</rdf:RDF>", FACTUR_X_PROPERTIES + b"</rdf:RDF>")
    metadata = found["start"].replace(found["length"], b"%d" % len(xmp)) + xmp
    growth = len(metadata) - len(found[0])
    rest = _shift_offsets(pdf[found.end() :], found.start(), growth)
    return pdf[: found.start()] + metadata + rest


def _shift_offsets(rest: bytes, position: int, growth: int) -> bytes:
    """The rest of a PDF, with larger offsets of what lies after a position (ISO 32000-1, 7.5.4)."""

    def shift(match: re.Match[bytes]) -> bytes:
        offset = int(match[0])
        return b"%0*d" % (len(match[0]), offset + growth if offset > position else offset)

    objects, keyword, table = rest.rpartition(b"\nxref\n")
    table = re.sub(rb"^\d{10}(?= \d{5} n)", shift, table, flags=re.MULTILINE)
    return objects + keyword + re.sub(rb"(?<=startxref\n)\d+", shift, table)
