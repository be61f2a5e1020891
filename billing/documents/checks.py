"""Finds the errors that would make an invoice invalid, before anybody pays for it.

The rules are those of EN 16931 and of the French specifications that data can violate; all others
are met by construction. The tests compare these checks with the official schematrons, which are too
slow to run for each invoice.
"""

import re
from collections.abc import Iterator
from datetime import date

from billing.documents.element import remove_unprintable
from billing.documents.facts import InvoiceFacts, Line, Party, PaymentMeans
from models.countries import COUNTRY_CODES

# In hundredths of a percent (BR-FR-16): rates in force, and former ones for corrections.
RATES = frozenset((0, 90, 105, 175, 210, 550, 700, 850, 920, 960, 1000, 1300, 1960, 2000, 2060))
CATEGORIES_OF_OPERATION = (
    "Prestation de services",
    "Livraison de biens",
    "Livraison de biens et prestation de services",
)
_NUMBER = re.compile(r"[A-Za-z0-9+\-_/]{1,35}")  # BR-FR-01, BR-FR-02
_DIRECTORY_ADDRESS = re.compile(r"[A-Za-z0-9+\-_.]{1,125}")  # BR-FR-23, BR-FR-25
_EMAIL_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_VAT_PREFIXES = COUNTRY_CODES | {"EL"}
_TRANSFERS = (30, 58)
_MEANS = (*_TRANSFERS, 1, 48, 54, 59, 68, 97)
_MAX_DIGITS = 19  # of an amount or a quantity (BR-FR-DEC-01, BR-FR-DEC-02)


def check_facts(facts: InvoiceFacts) -> list[str]:
    """The errors of an invoice that is not issued yet; empty when it conforms."""
    return [
        *_document_errors(facts),
        *(f"seller: {error}" for error in _seller_errors(facts.seller)),
        *(f"buyer: {error}" for error in _party_errors(facts.buyer)),
        *(
            f"line {position}: {error}"
            for position, line in enumerate(facts.lines, 1)
            for error in _line_errors(line)
        ),
        *(_payment_errors(facts.payment) if facts.payment else ()),
    ]


def _document_errors(facts: InvoiceFacts) -> Iterator[str]:
    numbers = [facts.number, *(original.number for original in facts.originals)]
    if not all(map(_NUMBER.fullmatch, numbers)):
        yield "a number has at most 35 letters, digits and + - _ /"
    originals = [original.issued_on for original in facts.originals]
    if not all(map(_is_in_this_century, (facts.issued_on, facts.due_on, *originals))):
        yield "a date is not in this century"
    if facts.due_on < facts.issued_on and facts.process != "S2":
        yield "the due date is before the issue date"
    if facts.category not in CATEGORIES_OF_OPERATION:
        yield f"the category of operation is one of {', '.join(CATEGORIES_OF_OPERATION)}"
    yield from _period_errors(facts.period_start, facts.period_end)


def _period_errors(start: date | None, end: date | None) -> Iterator[str]:
    if not all(map(_is_in_this_century, filter(None, [start, end]))):
        yield "a date is not in this century"
    if start and end and end < start:
        yield "the period ends before it starts"


def _is_in_this_century(day: date) -> bool:
    return 2000 <= day.year < 2100  # BR-FR-03


def _seller_errors(seller: Party) -> Iterator[str]:
    if not re.fullmatch(r"[0-9]{9}", seller.siren):
        yield "the SIREN has nine digits"
    yield from _party_errors(seller)


def _party_errors(party: Party) -> Iterator[str]:
    if not _is_visible(party.name):
        yield "a name is required"
    if party.siren and not re.fullmatch(r"[0-9]{9}", party.siren):
        yield "the SIREN has nine digits"
    if party.siret and not re.fullmatch(rf"{re.escape(party.siren)}[0-9]{{5}}", party.siret):
        yield "the SIRET starts with the SIREN and has 14 digits"
    if party.vat_number and party.vat_number[:2] not in _VAT_PREFIXES:  # BR-CO-09
        yield "the VAT number starts with the code of its country"
    addresses = [party.address, *filter(None, [party.billing_address])]
    if any(address.country not in COUNTRY_CODES for address in addresses):
        yield "the country is unknown"
    pattern = _DIRECTORY_ADDRESS if party.siren else _EMAIL_ADDRESS
    if not pattern.fullmatch(party.electronic_address):
        yield "a SIREN or an email address is required for delivery"


def _line_errors(line: Line) -> Iterator[str]:
    if not _is_visible(line.label):
        yield "a designation is required"
    if line.vat_basis_points not in RATES:
        yield f"{line.vat_basis_points / 100} % is no rate of VAT in France"
    digits, exponent = line.quantity.as_tuple().digits, line.quantity.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -4 or len(digits) > _MAX_DIGITS:
        yield "a quantity has at most four decimals"
    if len(str(abs(line.net_cents))) > _MAX_DIGITS:
        yield "the amount is too large"
    yield from _period_errors(line.period_start, line.period_end)


def _payment_errors(payment: PaymentMeans) -> Iterator[str]:
    if payment.code not in _MEANS:
        yield "the means of payment is unknown"
    if payment.code in _TRANSFERS and not payment.iban:
        yield "a transfer requires an IBAN"


def _is_visible(text: str) -> bool:
    return bool(remove_unprintable(text).strip())
