"""What the readers of statements return, whatever the format of the file was."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

import stdnum.iban

from models.billing.bank import StatementFormat
from models.card_numbers import mask_card_numbers
from models.clock import local_date
from models.text import clean_line
from models.translations import Translatable

CURRENCY = "EUR"
TEXT_LENGTH = 1_000
NAME_LENGTH = 140
MAX_CENTS = 10**15  # ISO 20022 writes amounts with up to 18 digits; no euro account has that


@dataclass(frozen=True, kw_only=True, slots=True)
class StatementLine:
    """One booked movement on the vendor's account.

    `line` is its position in the file. `amount_cents` is positive for money that came in. A
    reversal takes an earlier movement back; its sign is that of its own effect. The texts are clean
    and shortened; those that the bank didn't give are empty.
    """

    line: int
    iban: str
    booked_on: date
    amount_cents: int
    value_on: date | None = None
    is_reversal: bool = False
    bank_reference: str = ""
    end_to_end_id: str = ""
    structured_reference: str = ""
    text: str = ""
    counterparty_name: str = ""
    counterparty_iban: str = ""
    return_reason: str = ""


@dataclass(frozen=True, slots=True)
class StatementFault:
    """Why a line of a file can't be read. Every message has the placeholder `line`."""

    line: int
    reason: Translatable
    values: dict[str, object] = field(default_factory=dict)


class StatementInvalid(Exception):
    """The file can't be imported. `faults` lists every error that was found, in the order of the
    lines.
    """

    def __init__(self, faults: Iterable[StatementFault]) -> None:
        super().__init__()
        self.faults = sorted(faults, key=lambda fault: fault.line)


@dataclass(frozen=True, slots=True)
class Statement:
    """The content of a file: its booked lines, and how many were left out because they are not
    booked yet.
    """

    format: StatementFormat
    lines: tuple[StatementLine, ...]
    pending_count: int = 0


def parse_cents(text: str) -> int:
    """The cents of a decimal number with a point. Raises ValueError for anything else, for a part
    of a cent, and for an amount that no account has.
    """
    try:
        cents = Decimal(text.strip()) * 100
    except InvalidOperation:
        raise ValueError(text) from None
    if not cents.is_finite() or cents != cents.to_integral_value() or abs(cents) >= MAX_CENTS:
        raise ValueError(text)
    return int(cents)


def parse_day(text: str) -> date:
    """The day of an ISO 8601 date or time, in Europe/Paris when it has an offset. Raises
    ValueError.
    """
    text = text.strip()
    if "T" not in text:
        return date.fromisoformat(text[:10]) if len(text) <= 16 else date.fromisoformat(text)
    at = datetime.fromisoformat(text)
    return local_date(at) if at.tzinfo else at.date()


def clean_text(text: str | None, length: int = TEXT_LENGTH) -> str:
    """A text of the bank or of a payer as it is stored: on one line, card numbers masked."""
    return mask_card_numbers(clean_line(text or ""))[:length].strip()


def clean_iban(text: str | None) -> str:
    """An IBAN without spaces, empty when it isn't one."""
    return str(stdnum.iban.compact(text)) if text and stdnum.iban.is_valid(text) else ""
