"""The seller's bank account, from the seller's file: where customers transfer money, and which
statements can be imported.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

import stdnum.bic
import stdnum.iban

from billing.bank.csv_file import CsvColumns

_MAX_DUE_DAYS = 60  # from the day of the invoice: Code de commerce L441-10, I
_DEFAULT_DUE_DAYS = 30  # the term where nothing was agreed: Code de commerce L441-10, I


class TransferStart(StrEnum):
    """When a purchase that is paid by transfer becomes active."""

    PAYMENT = "PAYMENT"
    ORDER = "ORDER"


@dataclass(frozen=True)
class BankAccount:
    """The account for transfers, and how a purchase by transfer works.

    An invoice is due `due_days` after its day. By default the purchase starts when the money has
    arrived: nobody gets a service for a promise to pay.
    """

    iban: str
    bic: str
    due_days: int = _DEFAULT_DUE_DAYS
    starts: TransferStart = TransferStart.PAYMENT
    other_ibans: tuple[str, ...] = ()
    columns: CsvColumns = field(default_factory=CsvColumns)

    @property
    def ibans(self) -> tuple[str, ...]:
        """All accounts whose statements can be imported."""
        return (self.iban, *self.other_ibans)

    def due_on(self, day: date) -> date:
        """The due date of an invoice issued on this day."""
        return day + timedelta(days=self.due_days)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "BankAccount":
        """Read the section `bank` of the seller's file. Raises KeyError for what is missing and
        ValueError for what is wrong.
        """
        if unknown := sorted(config.keys() - cls.__dataclass_fields__.keys()):
            raise ValueError(f"bank: unknown {', '.join(unknown)}")
        due_days = config.get("due_days", _DEFAULT_DUE_DAYS)
        if type(due_days) is not int or not 0 <= due_days <= _MAX_DUE_DAYS:
            raise ValueError(f"bank: due_days must be a number from 0 to {_MAX_DUE_DAYS}")
        return cls(
            iban=_iban(config["iban"]),
            bic=_bic(config["bic"]),
            due_days=due_days,
            starts=TransferStart(config.get("starts", TransferStart.PAYMENT)),
            other_ibans=tuple(map(_iban, config.get("other_ibans", ()))),
            columns=CsvColumns.from_config(config.get("columns", {})),
        )


def _iban(text: str) -> str:
    if not stdnum.iban.is_valid(text):
        raise ValueError(f"bank: {text} isn't an IBAN")
    return str(stdnum.iban.compact(text))


def _bic(text: str) -> str:
    if not stdnum.bic.is_valid(text):
        raise ValueError(f"bank: {text} isn't a BIC")
    return str(stdnum.bic.compact(text))
