"""The cost of verifying the invoices and the audit log, which grows with the number of rows.

An operation's cost is computed before anything is executed, without a query. So a job keeps the
current numbers of invoices and entries.
"""

from typing import Any

from models.billing.invoice import Series
from models.database.sql import execute

_BASE_COST = 100
_ROWS_PER_COST = 500  # 2,000 for a million rows, of the 5,000 that an operation may cost
_SERIES = ", ".join(f"'{each}'" for each in Series)
_row_counts = {"invoice": 0, "audit_entry": 0}


async def count_rows() -> None:
    """Update the numbers of rows, from the counters that the database keeps of both."""
    # The journals of the ledger have counters, too.
    (counts,) = await execute(
        f"SELECT (SELECT SUM(last_position) FROM counter WHERE series IN ({_SERIES})) AS invoices,"  # noqa: S608 - our own names
        " (SELECT SUM(last_sequence - expired_sequence) FROM audit_chain) AS entries"
    )
    _row_counts["invoice"] = int(counts["invoices"] or 0)
    _row_counts["audit_entry"] = int(counts["entries"] or 0)


def numbering_cost(arguments: dict[str, Any]) -> int:
    """The cost of verifying all invoice numbers."""
    return _BASE_COST + _row_counts["invoice"] // _ROWS_PER_COST


def audit_proof_cost(arguments: dict[str, Any]) -> int:
    """The cost of verifying all entries of the audit log."""
    return _BASE_COST + _row_counts["audit_entry"] // _ROWS_PER_COST
