"""Reports of how invoices are collected: failed payments, dunning, and unpaid amounts by age. Each
is computed by the database in one statement and contains no personal data. Days are calendar days
in Europe/Paris.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from models.billing.money import Money
from models.billing.payment_method import PaymentKind
from models.clock import PARIS, local_date
from models.database.sql import dialect, execute_report
from resolvers.analytics.reports import (
    DEFAULT_ROWS,
    Rows,
    SinceArgument,
    UntilArgument,
    date_range_of,
    require_limit,
)
from resolvers.context import Info
from resolvers.descriptions import describe_enum


class UnpaidAge(StrEnum):
    """How long ago invoices were due, in days."""

    NOT_DUE = "NOT_DUE"
    UNTIL_30 = "UNTIL_30"
    UNTIL_60 = "UNTIL_60"
    UNTIL_90 = "UNTIL_90"
    OVER_90 = "OVER_90"


describe_enum(
    UnpaidAge,
    "How long ago invoices were due.",
    {
        "NOT_DUE": "They aren't due yet.",
        "UNTIL_30": "0 to 30 days ago.",
        "UNTIL_60": "31 to 60 days ago.",
        "UNTIL_90": "61 to 90 days ago.",
        "OVER_90": "More than 90 days ago.",
    },
)


@dataclass(frozen=True)
class FailedPaymentReportRow:
    """Declined payments of one kind, by the reason."""

    kind: PaymentKind
    reason: str
    payments: int
    amount: Money


@dataclass(frozen=True)
class DunningReportRow:
    """The invoices for which this was the last step of dunning, by what became of them."""

    step: int
    invoices: int
    recovered: int
    credited: int
    suspended: int
    canceled: int
    recovered_amount: Money
    open_amount: Money


@dataclass(frozen=True)
class UnpaidReportRow:
    """What is open, by how long ago it was due."""

    age: UnpaidAge
    invoices: int
    open: Money
    disputed: Money


async def failed_payment_report(
    info: Info,
    since: SinceArgument = None,
    until: UntilArgument = None,
    first: Rows = DEFAULT_ROWS,
) -> list[FailedPaymentReportRow]:
    """Payments that were declined in a range of days, the most frequent reason first. Raises
    BadInput.
    """
    begin, end = date_range_of(info.context, since, until)
    limit = require_limit(first)
    rows = await execute_report(
        "SELECT kind, COALESCE(decline_code, '') AS reason, COUNT(*) AS payments, "
        "SUM(amount_cents) AS amount FROM payment "
        "WHERE status = 'DECLINED' AND created_at >= ? AND created_at < ? "
        "GROUP BY kind, COALESCE(decline_code, '') "
        "ORDER BY payments DESC, kind, reason LIMIT ?",
        _start_of_day(begin),
        _start_of_day(end),
        limit,
    )
    return [
        FailedPaymentReportRow(
            PaymentKind(row["kind"]), row["reason"], row["payments"], Money(int(row["amount"]))
        )
        for row in rows
    ]


def _start_of_day(day: date) -> datetime:
    """The beginning of a day in Paris, as a time."""
    return datetime.combine(day, time(), PARIS).astimezone(UTC)


async def dunning_report(
    info: Info, since: SinceArgument = None, until: UntilArgument = None
) -> list[DunningReportRow]:
    """What became of the dunned invoices that were due in a range of days, by the last step. Raises
    BadInput.
    """
    begin, end = date_range_of(info.context, since, until)
    rows = await execute_report(
        """
        WITH late AS (
            SELECT invoice_id, MAX(days) AS step FROM dunning_step GROUP BY invoice_id
        )
        SELECT late.step, COUNT(*) AS invoices,
            COUNT(CASE WHEN open_cents = 0 AND credited_cents < receivable.gross_cents
                THEN 1 END) AS recovered,
            COUNT(CASE WHEN open_cents = 0 AND credited_cents >= receivable.gross_cents
                THEN 1 END) AS credited,
            COUNT(CASE WHEN open_cents > 0 AND purchase.status = 'SUSPENDED' THEN 1 END)
                AS suspended,
            COUNT(CASE WHEN open_cents > 0 AND purchase.status = 'CANCELED' THEN 1 END)
                AS canceled,
            SUM(receivable.gross_cents - open_cents - credited_cents) AS recovered_cents,
            SUM(open_cents) AS open_cents
        FROM late JOIN receivable ON receivable.invoice_id = late.invoice_id
        JOIN invoice ON invoice.id = late.invoice_id
        LEFT JOIN purchase ON purchase.id = invoice.purchase_id
        WHERE invoice.due_on >= ? AND invoice.due_on < ?
        GROUP BY late.step ORDER BY late.step
        """,
        begin,
        end,
    )
    counts = ("step", "invoices", "recovered", "credited", "suspended", "canceled")
    return [
        DunningReportRow(
            **{name: int(row[name]) for name in counts},
            recovered_amount=Money(int(row["recovered_cents"])),
            open_amount=Money(int(row["open_cents"])),
        )
        for row in rows
    ]


async def unpaid_report(info: Info) -> list[UnpaidReportRow]:
    """What is open today, by how long ago it was due."""
    today = local_date(info.context.services.clock.now())
    limits = [today - timedelta(days=days) for days in (0, 30, 60, 90)]
    due_on = "due_on" if dialect() == "sqlite" else "CAST(due_on AS DATE)"
    rows = await execute_report(
        f"""
        SELECT CASE WHEN {due_on} > ? THEN 'NOT_DUE' WHEN {due_on} >= ? THEN 'UNTIL_30'
            WHEN {due_on} >= ? THEN 'UNTIL_60' WHEN {due_on} >= ? THEN 'UNTIL_90'
            ELSE 'OVER_90' END AS age,
            COUNT(*) AS invoices, SUM(open_cents) AS open_cents,
            SUM(CASE WHEN disputed_at IS NULL THEN 0 ELSE open_cents END) AS disputed_cents
        FROM receivable WHERE open_cents > 0 GROUP BY 1
        """,  # noqa: S608 - made of our own names only
        *limits,
    )
    by_age: dict[str, Mapping[str, Any]] = {row["age"]: row for row in rows}
    return [
        UnpaidReportRow(
            age,
            int(by_age[age]["invoices"]),
            Money(int(by_age[age]["open_cents"])),
            Money(int(by_age[age]["disputed_cents"])),
        )
        for age in UnpaidAge
        if age in by_age
    ]
