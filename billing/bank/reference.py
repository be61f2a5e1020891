"""Structured creditor references (ISO 11649): one for each invoice, made from its number, so that a
transfer states what it pays.
"""

import re
from collections.abc import Iterator

import stdnum.iso11649
from stdnum.iso7064 import mod_97_10

from models.billing.invoice import Series, canonical_invoice_number

_MAX_DIGITS = 17  # of year and position: a reference has 21 characters after its check digits
_GAP = r"[\s\-./:_]*"
_SERIES = "|".join(_GAP.join(series.value) for series in Series)
# Banks break a text into lines of 27 or 35 characters anywhere, and people add spaces.
_REFERENCE = re.compile(
    rf"R{_GAP}F{_GAP}(\d){_GAP}(\d){_GAP}({_SERIES})((?:{_GAP}\d){{10,{_MAX_DIGITS}}})", re.I
)
_NUMBER = re.compile(
    rf"(?<![A-Z0-9])(?:{'|'.join(Series)})[\s\-./_]?\d{{4}}[\s\-./_]?\d{{6,15}}(?!\d)", re.I
)


def payment_reference(invoice_number: str) -> str:
    """The ISO 11649 reference of an invoice: `RF49FA2026000042` for `FA-2026-000042`. Raises
    ValueError for a number that is too long for one.
    """
    body = re.sub(r"[^A-Z0-9]", "", invoice_number.upper())
    reference = f"RF{mod_97_10.calc_check_digits(f'{body}RF')}{body}"
    if not stdnum.iso11649.is_valid(reference):
        raise ValueError(invoice_number)
    return reference


def references_in(*texts: str) -> tuple[str, ...]:
    """The references of our invoices in a payer's texts, in their order, each once.

    Only references with correct check digits are returned; they may be written in groups or broken
    anywhere. With the digits that follow it, a reference may form a longer one with correct check
    digits, which then belongs to no invoice.
    """
    return tuple(dict.fromkeys(found for text in texts for found in _references(text)))


def _references(text: str) -> Iterator[str]:
    for match in _REFERENCE.finditer(text):
        series, digits = (re.sub(r"[^A-Z0-9]", "", part.upper()) for part in match.group(3, 4))
        for length in range(10, len(digits) + 1):
            reference = f"RF{match[1]}{match[2]}{series}{digits[:length]}"
            if stdnum.iso11649.is_valid(reference):
                yield reference


def invoice_numbers_in(*texts: str) -> tuple[str, ...]:
    """The numbers of invoices in a payer's texts, as they are printed, each once. They have no
    check digits, so a mistyped number may be that of another invoice.
    """
    numbers = (
        canonical_invoice_number(match[0]) for text in texts for match in _NUMBER.finditer(text)
    )
    return tuple(dict.fromkeys(number for number in numbers if number))
