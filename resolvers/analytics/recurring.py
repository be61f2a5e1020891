"""Reports of recurring revenue and of churn, from what was billed: the items of billed periods.

The monthly recurring revenue (MRR) of a day is the net amount of the periods that contain it, a
yearly one divided by twelve, discounts deducted. A purchase is lost in the month in which it ends.
Rows contain no personal data. Days are calendar days in Europe/Paris.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any

import strawberry

from models.billing.money import Money
from models.clock import local_date
from models.database.sql import dialect, execute_report
from operations.analytics.billing_sql import IS_BILLED, recurring_items, yearly_cents
from resolvers.analytics.reports import (
    SinceArgument,
    UntilArgument,
    date_range_of,
)
from resolvers.context import Info

ByOffer = Annotated[bool, strawberry.argument(description="Whether there is a row for each offer.")]


@dataclass(frozen=True)
class MrrReportRow:
    """The recurring revenue at the end of a month."""

    month: date
    day: date
    purchases: int
    mrr: Money
    offer_id: int | None = None


@dataclass(frozen=True)
class ChurnReportRow:
    """The purchases that ended in a month, and those there were at its beginning."""

    month: date
    purchases_before: int
    mrr_before: Money
    purchases_lost: int
    mrr_lost: Money

    @property
    def rate(self) -> float | None:
        """The fraction of the purchases that was lost."""
        return self.purchases_lost / self.purchases_before if self.purchases_before else None


@dataclass(frozen=True)
class _Month:
    """A month of a report: its first day, and the day on which it is measured, which is its last
    one or today.
    """

    first: date
    measured: date


async def mrr_report(
    info: Info, since: SinceArgument = None, until: UntilArgument = None, by_offer: ByOffer = False
) -> list[MrrReportRow]:
    """The recurring revenue at the end of each month of a range. Raises BadInput."""
    months = _months(info, since, until)
    if not months:
        return []
    rows = await execute_report(_mrr_statement(len(months), by_offer), *_parameters(months))
    return [
        MrrReportRow(
            month=_day(row["month"]),
            day=_day(row["day"]),
            purchases=row["purchases"],
            mrr=_twelfth(row["yearly"]),
            offer_id=row["offer_id"],
        )
        for row in rows
    ]


async def churn_report(
    info: Info, since: SinceArgument = None, until: UntilArgument = None
) -> list[ChurnReportRow]:
    """The purchases that ended in each month of a range. Raises BadInput."""
    months = _months(info, since, until)
    if not months:
        return []
    # What a month begins with is what the day before it ended with.
    before = [_Month(each.first, each.first - timedelta(days=1)) for each in months]
    kept = await execute_report(_mrr_statement(len(before), False), *_parameters(before))
    lost = await execute_report(_lost_statement(len(months)), *_parameters(months))
    kept_by_month = {_day(row["month"]): row for row in kept}
    lost_by_month = {_day(row["month"]): row for row in lost}
    return [
        ChurnReportRow(
            month=each.first,
            purchases_before=_count(kept_by_month, each.first),
            mrr_before=_amount(kept_by_month, each.first),
            purchases_lost=_count(lost_by_month, each.first),
            mrr_lost=_amount(lost_by_month, each.first),
        )
        for each in months
    ]


def _count(rows: Mapping[date, Mapping[str, Any]], month: date) -> int:
    return int(rows[month]["purchases"]) if month in rows else 0


def _amount(rows: Mapping[date, Mapping[str, Any]], month: date) -> Money:
    return _twelfth(rows[month]["yearly"]) if month in rows else Money(0)


def _months(info: Info, since: date | None, until: date | None) -> list[_Month]:
    """The months that the range touches, except future ones."""
    first, end = date_range_of(info.context, since, until)
    today = local_date(info.context.services.clock.now())
    months, month = [], first.replace(day=1)
    while month < end and month <= today:
        following = (month + timedelta(days=31)).replace(day=1)
        months.append(_Month(month, min(following - timedelta(days=1), today)))
        month = following
    return months


def _parameters(months: Sequence[_Month]) -> list[date]:
    return [day for each in months for day in (each.first, each.measured)]


def _months_table(count: int) -> str:
    """The months as a table: the first day, and the day of the measurement."""
    cast = "?" if dialect() == "sqlite" else "CAST(? AS DATE)"
    return " UNION ALL ".join([f"SELECT {cast} AS month, {cast} AS day"] * count)


def _mrr_statement(count: int, by_offer: bool) -> str:
    offer, group = ("price.offer_id", ", price.offer_id") if by_offer else ("NULL", "")
    order = ", MIN(offer.position), price.offer_id" if by_offer else ""
    return f"""
        WITH measured AS ({_months_table(count)})
        SELECT measured.month, measured.day, {offer} AS offer_id,
            COUNT(DISTINCT item.purchase_id) AS purchases, {yearly_cents(dialect())} AS yearly
        FROM measured CROSS JOIN {recurring_items(dialect())}
        JOIN offer ON offer.id = price.offer_id
        JOIN purchase ON purchase.id = item.purchase_id
        WHERE {IS_BILLED} AND item.starts_on <= measured.day AND item.ends_on > measured.day
            AND (purchase.ended_on IS NULL OR purchase.ended_on > measured.day)
        GROUP BY measured.month, measured.day{group}
        ORDER BY measured.month{order}"""  # noqa: S608 - made of our own names only


def _lost_statement(count: int) -> str:
    """The purchases that ended in each month, with what their last period cost."""
    return f"""
        WITH measured AS ({_months_table(count)})
        SELECT measured.month, COUNT(DISTINCT item.purchase_id) AS purchases,
            {yearly_cents(dialect())} AS yearly
        FROM measured CROSS JOIN {recurring_items(dialect())}
        JOIN purchase ON purchase.id = item.purchase_id
        WHERE {IS_BILLED}
            AND purchase.ended_on >= measured.month AND purchase.ended_on <= measured.day
            AND item.ends_on = (
                SELECT MAX(last.ends_on) FROM billing_item AS last
                WHERE last.purchase_id = item.purchase_id AND last.kind = 'CYCLE'
                    AND last.invoice_line_id IS NOT NULL
            )
        GROUP BY measured.month"""  # noqa: S608 - made of our own names only


def _twelfth(yearly_cents: Any) -> Money:
    return Money(int((Decimal(yearly_cents) / 12).quantize(Decimal(1), ROUND_HALF_UP)))


def _day(value: date | str) -> date:
    return date.fromisoformat(str(value))  # SQLite holds days as ISO texts
