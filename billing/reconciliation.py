"""Comparing what billing keeps in several places: the ledger with invoices, payments and refunds,
receivables with allocations, payments by transfer with lines of bank statements.

All of it is written together, so a difference is a defect, or a change by hand in the database.
Each comparison is one statement of SQL that returns only differences.
"""

from dataclasses import dataclass
from typing import Any

from billing.ledger import BANK, CUSTOMERS
from models.billing.money import Money
from models.database.sql import execute
from models.database.workload import Workload, workload

MAX_ERRORS = 1_000

_ENTRIES = """
SELECT entry.journal, entry.number, SUM(line.debit_cents - line.credit_cents) AS cents
FROM ledger_entry entry JOIN ledger_line line ON line.entry_id = entry.id
GROUP BY entry.id, entry.journal, entry.number
HAVING SUM(line.debit_cents - line.credit_cents) <> 0 ORDER BY entry.id LIMIT ?
"""
_RECEIVABLES = """
SELECT invoice.number, receivable.open_cents, receivable.gross_cents - COALESCE(paid.cents, 0)
AS expected FROM receivable JOIN invoice ON invoice.id = receivable.invoice_id
LEFT JOIN (SELECT invoice_id, SUM(amount_cents) AS cents FROM allocation GROUP BY invoice_id) paid
ON paid.invoice_id = receivable.invoice_id
WHERE receivable.open_cents <> receivable.gross_cents - COALESCE(paid.cents, 0)
OR receivable.open_cents < 0 ORDER BY invoice.id LIMIT ?
"""
_BALANCES = """
SELECT account.id, COALESCE(ledger.cents, 0) AS cents,
COALESCE(billed.cents, 0) - COALESCE(paid.cents, 0) AS expected
FROM account
LEFT JOIN (SELECT account_id, SUM(debit_cents - credit_cents) AS cents FROM ledger_line
  WHERE code = ? GROUP BY account_id) ledger ON ledger.account_id = account.id
LEFT JOIN (SELECT account_id, SUM(CASE WHEN type = 381 THEN -gross_cents ELSE gross_cents END
  - CASE WHEN type = 384 THEN COALESCE((SELECT SUM(CASE WHEN replaced.type = 381 THEN
    -replaced.gross_cents ELSE replaced.gross_cents END) FROM invoice replaced
    WHERE replaced.id = invoice.original_id
    OR (replaced.original_id = invoice.original_id AND replaced.type = 381)), 0) ELSE 0 END)
  AS cents FROM invoice GROUP BY account_id) billed ON billed.account_id = account.id
LEFT JOIN (SELECT account_id, SUM(amount_cents - refunded_cents + (SELECT
  COALESCE(SUM(refund.amount_cents), 0) FROM refund
  WHERE refund.payment_id = payment.id AND refund.status = 'PENDING')) AS cents FROM payment
  WHERE status = 'SUCCEEDED' GROUP BY account_id) paid ON paid.account_id = account.id
WHERE COALESCE(ledger.cents, 0) <> COALESCE(billed.cents, 0) - COALESCE(paid.cents, 0)
ORDER BY account.id LIMIT ?
"""
_PAYMENTS = """
SELECT payment.id, payment.amount_cents - payment.refunded_cents AS cents, paid.cents AS allocated
FROM payment JOIN (SELECT payment_id, SUM(amount_cents) AS cents FROM allocation
  WHERE payment_id IS NOT NULL GROUP BY payment_id) paid ON paid.payment_id = payment.id
WHERE paid.cents > payment.amount_cents - payment.refunded_cents OR paid.cents < 0
OR payment.status <> 'SUCCEEDED' ORDER BY payment.id LIMIT ?
"""
_BANK_LINES = """
SELECT line.id, line.amount_cents AS cents, payment.amount_cents AS expected
FROM bank_line line LEFT JOIN payment ON payment.id = line.payment_id
WHERE line.status = 'MATCHED' AND (payment.id IS NULL OR payment.status <> 'SUCCEEDED'
  OR payment.kind <> 'TRANSFER' OR payment.amount_cents <> line.amount_cents
  OR payment.account_id <> line.account_id) ORDER BY line.id LIMIT ?
"""
_TRANSFERS = """
SELECT payment.id, payment.amount_cents - payment.refunded_cents AS cents FROM payment
WHERE payment.kind = 'TRANSFER' AND payment.status = 'SUCCEEDED'
AND payment.amount_cents <> payment.refunded_cents AND NOT EXISTS
  (SELECT 1 FROM bank_line line WHERE line.payment_id = payment.id AND line.status = 'MATCHED')
ORDER BY payment.id LIMIT ?
"""
_TOTALS = """
SELECT
(SELECT COALESCE(SUM(debit_cents - credit_cents), 0) FROM ledger_line WHERE code = ?) AS owed,
(SELECT COALESCE(SUM(debit_cents - credit_cents), 0) FROM ledger_line WHERE code = ?) AS received,
(SELECT COALESCE(SUM(open_cents), 0) FROM receivable) AS open,
(SELECT COUNT(*) FROM bank_line WHERE status = 'UNMATCHED') AS unmatched_count,
(SELECT COALESCE(SUM(amount_cents), 0) FROM bank_line WHERE status = 'UNMATCHED') AS unmatched
"""


@dataclass(frozen=True)
class Reconciliation:
    """The sums of billing, and a sentence about each difference.

    `owed_cents` is what all customers owe according to the ledger, less what they have paid in
    advance; `open_cents` is what is open on their invoices; `received_cents` is the balance of the
    bank account in the ledger; `unmatched_cents` is the total of the bank lines that wait for a
    person.
    """

    owed_cents: int
    open_cents: int
    received_cents: int
    unmatched_count: int
    unmatched_cents: int
    errors: tuple[str, ...]

    @property
    def owed(self) -> Money:
        return Money(self.owed_cents)

    @property
    def open(self) -> Money:
        return Money(self.open_cents)

    @property
    def received(self) -> Money:
        return Money(self.received_cents)

    @property
    def unmatched(self) -> Money:
        return Money(self.unmatched_cents)


async def reconciliation() -> Reconciliation:
    """Compare everything, and return a report with at most MAX_ERRORS differences of each kind."""
    with workload(Workload.REPORTS):
        (sums,) = await execute(_TOTALS, CUSTOMERS, BANK)
        errors = [
            *(
                f"{row['journal']} {row['number']}: the entry doesn't balance, by {row['cents']}"
                for row in await _rows(_ENTRIES)
            ),
            *(
                f"{row['number']}: {row['open_cents']} are open, but {row['expected']} aren't "
                f"allocated"
                for row in await _rows(_RECEIVABLES)
            ),
            *(
                f"account {row['id']}: its balance is {row['cents']}, but its documents and "
                f"payments make {row['expected']}"
                for row in await _rows(_BALANCES, CUSTOMERS)
            ),
            *(
                f"payment {row['id']}: {row['allocated']} are allocated of {row['cents']}"
                for row in await _rows(_PAYMENTS)
            ),
            *(
                f"bank line {row['id']}: it is matched, but its payment is {row['expected']} "
                f"instead of {row['cents']}"
                for row in await _rows(_BANK_LINES)
            ),
            *(
                f"payment {row['id']}: no bank line has its transfer of {row['cents']}"
                for row in await _rows(_TRANSFERS)
            ),
        ]
    return Reconciliation(
        owed_cents=int(sums["owed"]),
        open_cents=int(sums["open"]),
        received_cents=int(sums["received"]),
        unmatched_count=int(sums["unmatched_count"]),
        unmatched_cents=int(sums["unmatched"]),
        errors=tuple(errors),
    )


async def _rows(statement: str, *params: Any) -> list[dict[str, Any]]:
    return await execute(statement, *params, MAX_ERRORS)
