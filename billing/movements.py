"""A customer's movements of money: each entry of the ledger that changes what the customer owes
(account 411), with the balance after it.
"""

import csv
from collections.abc import AsyncIterator, Sequence
from datetime import date
from enum import StrEnum
from io import StringIO

from billing.ledger import CUSTOMERS
from models.billing.money import to_decimal
from models.database.sql import execute
from models.database.workload import Workload, workload
from models.locale import Locale
from models.text import spreadsheet_text
from models.translations import Translatable, _, text

_PAGE_SIZE = 1_000


class MovementKind(StrEnum):
    """The kinds of movements, by the key of their label in the ledger."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"
    INVOICE_REPLACED = "invoice_replaced"
    PAYMENT = "payment"
    PAYMENT_REVERSED = "payment_reversed"
    REFUND = "refund"
    REFUND_FAILED = "refund_failed"


LABELS = {
    MovementKind.INVOICE: _("Invoice %(piece)s"),
    MovementKind.CREDIT_NOTE: _("Credit note %(piece)s"),
    MovementKind.INVOICE_REPLACED: _("Invoice replaced by %(piece)s"),
    MovementKind.PAYMENT: _("Payment received"),
    MovementKind.PAYMENT_REVERSED: _("Payment reversed"),
    MovementKind.REFUND: _("Refund"),
    MovementKind.REFUND_FAILED: _("Refund returned"),
}
_HEADER = (
    _("Date"),
    _("Document"),
    _("Movement"),
    _("Amount (EUR)"),
    _("Balance due (EUR)"),
)


def movement_label(label_key: str, piece: str, locale: Locale) -> str:
    """The description of a movement in a language."""
    label = LABELS.get(MovementKind(label_key)) if label_key in set(MovementKind) else None
    return text(label or Translatable("%(piece)s"), locale, piece=piece)


async def amounts_and_balances(entry_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """For each entry: how much it adds to what its customer owes, and how much the customer owes
    after it, in cents.
    """
    if not entry_ids:
        return {}
    marks = ", ".join("?" * len(entry_ids))
    rows = await execute(
        f"SELECT entry.id, COALESCE((SELECT SUM(line.debit_cents - line.credit_cents) "  # noqa: S608 - question marks
        f"FROM ledger_line line WHERE line.entry_id = entry.id AND line.code = ?), 0) AS cents, "
        f"COALESCE((SELECT SUM(line.debit_cents - line.credit_cents) FROM ledger_line line "
        f"WHERE line.account_id = entry.account_id AND line.code = ? "
        f"AND line.entry_id <= entry.id), 0) AS balance "
        f"FROM ledger_entry entry WHERE entry.id IN ({marks})",
        CUSTOMERS,
        CUSTOMERS,
        *entry_ids,
    )
    return {int(row["id"]): (int(row["cents"]), int(row["balance"])) for row in rows}


async def balances_of(account_ids: Sequence[int]) -> dict[int, int]:
    """What each customer owes, in cents; negative if they have paid in advance. Customers without
    movements are left out.
    """
    if not account_ids:
        return {}
    marks = ", ".join("?" * len(account_ids))
    rows = await execute(
        f"SELECT account_id, SUM(debit_cents - credit_cents) AS cents FROM ledger_line "  # noqa: S608 - question marks
        f"WHERE code = ? AND account_id IN ({marks}) GROUP BY account_id",
        CUSTOMERS,
        *account_ids,
    )
    return {int(row["account_id"]): int(row["cents"]) for row in rows}


async def movements_csv(
    account_id: int, since: date, until: date, locale: Locale
) -> AsyncIterator[bytes]:
    """A customer's movements from one day up to, but not including, another, in pieces: UTF-8 with
    a byte order mark and semicolons, as spreadsheets in France open it.
    """
    yield b"\xef\xbb\xbf" + _encode([[text(name, locale) for name in _HEADER]])
    balance, last_id = await _balance_before(account_id, since), 0
    while rows := await _next_rows(account_id, since, until, last_id):
        cells = []
        for row in rows:
            balance += int(row["cents"])
            cells.append(
                [
                    str(row["day"])[:10],
                    spreadsheet_text(row["piece"]),
                    spreadsheet_text(movement_label(row["label_key"], row["piece"], locale)),
                    _amount(int(row["cents"]), locale),
                    _amount(balance, locale),
                ]
            )
        yield _encode(cells)
        last_id = int(rows[-1]["id"])


async def _balance_before(account_id: int, day: date) -> int:
    (row,) = await execute(
        "SELECT COALESCE(SUM(debit_cents - credit_cents), 0) AS cents FROM ledger_line line "
        "JOIN ledger_entry entry ON entry.id = line.entry_id "
        "WHERE line.account_id = ? AND line.code = ? AND entry.day < ?",
        account_id,
        CUSTOMERS,
        day,
    )
    return int(row["cents"])


async def _next_rows(account_id: int, since: date, until: date, last_id: int) -> list[dict]:  # type: ignore[type-arg] # rows of the driver
    with workload(Workload.REPORTS):
        return await execute(
            "SELECT entry.id, entry.day, entry.piece, entry.label_key, "
            "SUM(line.debit_cents - line.credit_cents) AS cents FROM ledger_entry entry "
            "JOIN ledger_line line ON line.entry_id = entry.id AND line.code = ? "
            "WHERE entry.account_id = ? AND entry.day >= ? AND entry.day < ? AND entry.id > ? "
            "GROUP BY entry.id, entry.day, entry.piece, entry.label_key ORDER BY entry.id LIMIT ?",
            CUSTOMERS,
            account_id,
            since,
            until,
            last_id,
            _PAGE_SIZE,
        )


def _encode(rows: list[list[str]]) -> bytes:
    file = StringIO(newline="")
    csv.writer(file, delimiter=";", lineterminator="\r\n").writerows(rows)
    return file.getvalue().encode()


def _amount(cents: int, locale: Locale) -> str:
    amount = str(to_decimal(cents))
    return amount.replace(".", ",") if locale is Locale.FR else amount
