"""Reports for analysts: tickets and revenue grouped by dimensions, each computed by the database in
one statement.

Rows contain counts, sums and percentiles, never names, texts or IDs of customers. Days are calendar
days in Europe/Paris. The median of n answered tickets is the mean of the middle two when n is even;
p90 is the value of rank ceil(0.9 n) (nearest rank).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum, StrEnum
from typing import Annotated, Any, NamedTuple

import strawberry
from tortoise.queryset import QuerySet

from models.billing.money import Money
from models.billing.offer import Interval, Offer, Segment
from models.clock import local_date
from models.database.sql import dialect, execute_report
from models.errors import BadInput
from models.support.classification import Category, Channel
from models.support.ticket_status import TicketStatus
from models.translations import _
from operations.analytics.billing_sql import revenue
from resolvers.context import Context, Info
from resolvers.descriptions import describe_enum
from resolvers.rows import RowByForeignKey

DEFAULT_DAYS = 30
MAX_DAYS = 1_100
_REPORT_COST = 50
_COST_PER_DAY_AND_DIMENSION = 5  # four dimensions over three years exceed every limit
MAX_DIMENSIONS = 4
DEFAULT_ROWS = 100
MAX_ROWS = 1_000


class TicketDimension(StrEnum):
    """The dimensions by which tickets can be grouped."""

    CHANNEL = "CHANNEL"
    CATEGORY = "CATEGORY"
    STATUS = "STATUS"
    DAY = "DAY"
    MONTH = "MONTH"


class RevenueDimension(StrEnum):
    """The dimensions by which invoices can be grouped."""

    OFFER = "OFFER"
    SEGMENT = "SEGMENT"
    INTERVAL = "INTERVAL"
    DAY = "DAY"
    MONTH = "MONTH"


describe_enum(
    TicketDimension,
    "A dimension by which tickets can be grouped.",
    {
        "CHANNEL": "The channel that the ticket was opened through.",
        "CATEGORY": "The category of the ticket.",
        "STATUS": "The current status of the ticket.",
        "DAY": "The day on which the ticket was opened, in Europe/Paris.",
        "MONTH": "The month in which the ticket was opened, as the date of its first day.",
    },
)
describe_enum(
    RevenueDimension,
    "A dimension by which invoices can be grouped.",
    {
        "OFFER": "The offer that was sold.",
        "SEGMENT": "The size of business that the offer is for.",
        "INTERVAL": "The renewal interval of the purchase.",
        "DAY": "The date of issue, in Europe/Paris.",
        "MONTH": "The month of issue, as the date of its first day.",
    },
)

SinceArgument = Annotated[
    date | None,
    strawberry.argument(
        description="The first day of the range, at most 1,100 days before `until`. Defaults to 30 "
        "days before `until`."
    ),
]
UntilArgument = Annotated[
    date | None,
    strawberry.argument(
        description="The day after the last day of the range. Defaults to tomorrow."
    ),
]
Rows = Annotated[int, strawberry.argument(description="The maximum number of rows, 1 to 1,000.")]
TicketDimensionsArgument = Annotated[
    list[TicketDimension],
    strawberry.argument(
        description="One to four dimensions. There is a row for each of their combinations."
    ),
]
RevenueDimensionsArgument = Annotated[
    list[RevenueDimension],
    strawberry.argument(
        description="One to four dimensions. There is a row for each of their combinations."
    ),
]


@dataclass(frozen=True)
class TicketReportRow:
    """A group of tickets. Dimensions that weren't requested are None."""

    count: int
    answered: int
    solved: int
    median_first_response_seconds: float | None
    p90_first_response_seconds: float | None
    channel: Channel | None = None
    category: Category | None = None
    status: TicketStatus | None = None
    day: date | None = None
    month: date | None = None


@dataclass(frozen=True)
class RevenueReportRow:
    """A group of invoices. Dimensions that weren't requested are None."""

    invoices: int
    net: Money
    vat: Money
    gross: Money
    offer_id: int | None = None
    segment: Segment | None = None
    interval: Interval | None = None
    day: date | None = None
    month: date | None = None


class Axis(NamedTuple):
    """A dimension in SQL: the value to group by, the value to order by, and the field of the
    row.
    """

    value: str
    sort_key: str
    field: str
    read: Any


async def ticket_report(
    info: Info,
    group_by: TicketDimensionsArgument,
    since: SinceArgument = None,
    until: UntilArgument = None,
    channel: Annotated[
        list[Channel] | None,
        strawberry.argument(description="Only tickets opened through these channels."),
    ] = None,
    category: Annotated[
        list[Category] | None, strawberry.argument(description="Only tickets of these categories.")
    ] = None,
    first: Rows = DEFAULT_ROWS,
) -> list[TicketReportRow]:
    """Tickets opened in a range of days, ordered by the given dimensions. Raises BadInput."""
    date_range = date_range_of(info.context, since, until)
    axes = [_ticket_axis(dimension) for dimension in unique_dimensions(group_by)]
    where, values = conditions(
        "ticket.opened_on", date_range, {"ticket.channel": channel, "ticket.category": category}
    )
    limit = require_limit(first)
    rows = await execute_report(_ticket_statement(axes, where), *values, limit)
    return [TicketReportRow(**dimension_values(axes, row), **_ticket_measures(row)) for row in rows]


async def revenue_report(
    info: Info,
    group_by: RevenueDimensionsArgument,
    since: SinceArgument = None,
    until: UntilArgument = None,
    first: Rows = DEFAULT_ROWS,
) -> list[RevenueReportRow]:
    """The revenue of a range of days, ordered by the given dimensions. Raises BadInput."""
    date_range = date_range_of(info.context, since, until)
    axes = [_revenue_axis(dimension) for dimension in unique_dimensions(group_by)]
    where, values = conditions("invoice.issued_on", date_range, {})
    limit = require_limit(first)
    # The range is that of the documents, of the corrections, and of what they replace.
    rows = await execute_report(_revenue_statement(axes, where), *values * 3, limit)
    return [
        RevenueReportRow(**dimension_values(axes, row), **_revenue_measures(row)) for row in rows
    ]


def date_range_of(context: Context, since: date | None, until: date | None) -> tuple[date, date]:
    until = until or local_date(context.services.clock.now()) + timedelta(days=1)
    since = since or date.fromordinal(max(1, until.toordinal() - DEFAULT_DAYS))
    if not 0 < (until - since).days <= MAX_DAYS:
        message = _("“%(argument)s” must be 1 to %(maximum)s days before “until”.")
        raise BadInput("since", message, maximum=MAX_DAYS)
    return since, until


def unique_dimensions(group_by: Sequence[Any]) -> list[Any]:
    """The dimensions of a report, each once. Raises BadInput unless there are 1 to 4."""
    if not 1 <= len(group_by) <= MAX_DIMENSIONS:
        raise BadInput(
            "groupBy",
            _("“%(argument)s” must contain 1 to %(maximum)s dimensions."),
            maximum=MAX_DIMENSIONS,
        )
    return list(dict.fromkeys(group_by))


def require_limit(first: int) -> int:
    if not 1 <= first <= MAX_ROWS:
        raise BadInput(
            "first", _("“%(argument)s” must be between 1 and %(maximum)s."), maximum=MAX_ROWS
        )
    return first


def _ticket_axis(dimension: TicketDimension) -> Axis:
    enum_columns = {
        TicketDimension.CHANNEL: ("channel", Channel),
        TicketDimension.CATEGORY: ("category", Category),
        TicketDimension.STATUS: ("status", TicketStatus),
    }
    if dimension not in enum_columns:
        return calendar_axis(dimension.value, "ticket.opened_on")
    column, kind = enum_columns[dimension]
    return enum_axis(f"ticket.{column}", column, kind)


def _revenue_axis(dimension: RevenueDimension) -> Axis:
    match dimension:
        case RevenueDimension.OFFER:
            return Axis("offer.id", "offer.position", "offer_id", int)
        case RevenueDimension.SEGMENT:
            return enum_axis("offer.segment", "segment", Segment)
        case RevenueDimension.INTERVAL:
            return enum_axis("price.interval", "interval", Interval)
    return calendar_axis(dimension.value, "invoice.issued_on")


def enum_axis(column: str, field: str, kind: type[Enum]) -> Axis:
    """A dimension that is an enum, in the enum's own order."""
    cases = " ".join(f"WHEN '{member.value}' THEN {index}" for index, member in enumerate(kind))
    # The enum's own order: databases sort texts unlike.
    return Axis(column, f"CASE {column} {cases} END", field, kind)


def calendar_axis(dimension: str, column: str) -> Axis:
    """A dimension that is the day of a date column, or its month."""
    if dimension == "MONTH":
        month_start = (
            f"strftime('%Y-%m-01', {column})"
            if dialect() == "sqlite"
            else f"CAST(date_trunc('month', {column}) AS DATE)"
        )
        return Axis(month_start, month_start, "month", _day)
    return Axis(column, column, "day", _day)


def _day(value: date | str) -> date:
    return date.fromisoformat(str(value))  # SQLite holds days as ISO texts


def conditions(
    column: str, date_range: tuple[date, date], filters: Mapping[str, Sequence[StrEnum] | None]
) -> tuple[str, list[date | str]]:
    """The SQL of a range of days, and of the accepted values of enum columns, with its values."""
    where, values = f"{column} >= ? AND {column} < ?", list[date | str](date_range)
    for name, accepted_values in filters.items():
        if accepted_values is not None:
            placeholders = ", ".join("?" * len(set(accepted_values))) or "NULL"
            where += f" AND {name} IN ({placeholders})"
            values += sorted({member.value for member in accepted_values})
    return where, values


def _ticket_statement(axes: list[Axis], where: str) -> str:
    keys = ", ".join(f"key{index}" for index in range(len(axes)))
    return f"""
        WITH chosen AS (
            SELECT {select_list(axes)}, first_response_seconds AS seconds,
            status IN ('SOLVED', 'CLOSED') AS solved
            FROM ticket WHERE {where}
        ), placed AS (
            SELECT *, ROW_NUMBER() OVER (PARTITION BY {keys} ORDER BY seconds NULLS LAST) AS place,
                COUNT(seconds) OVER (PARTITION BY {keys}) AS answered
            FROM chosen
        )
        SELECT {keys}, COUNT(*) AS count, COUNT(seconds) AS answered,
        COUNT(CASE WHEN solved THEN 1 END) AS solved,
            AVG(CASE WHEN place IN ((answered + 1) / 2, answered / 2 + 1) THEN seconds END)
            AS median,
            MAX(CASE WHEN place = (9 * answered + 9) / 10 THEN seconds END) AS p90
        FROM placed GROUP BY {keys} ORDER BY {order_by(axes)} LIMIT ?"""  # noqa: S608 - made of our own names only


def _revenue_statement(axes: list[Axis], where: str) -> str:
    keys = ", ".join(f"key{index}" for index in range(len(axes)))
    amounts = revenue(where, where.replace("invoice.", "corrective."), dialect())
    return f"""
        WITH chosen AS (
            SELECT {select_list(axes)}, invoice.invoice_id, invoice.net, invoice.vat
            FROM {amounts} AS invoice JOIN price ON price.id = invoice.price_id
            JOIN offer ON offer.id = price.offer_id
        )
        SELECT {keys}, COUNT(DISTINCT invoice_id) AS invoices, SUM(net) AS net, SUM(vat) AS vat,
        SUM(net + vat) AS gross
        FROM chosen GROUP BY {keys} ORDER BY {order_by(axes)} LIMIT ?"""  # noqa: S608 - made of our own names only


def select_list(axes: list[Axis]) -> str:
    """The SQL of the keys of some dimensions, and of what they are ordered by."""
    return ", ".join(
        f"{axis.value} AS key{index}, {axis.sort_key} AS rank{index}"
        for index, axis in enumerate(axes)
    )


def order_by(axes: list[Axis]) -> str:
    """The SQL of the order of the rows of a report."""
    return ", ".join(f"MIN(rank{index}), key{index}" for index in range(len(axes)))


def dimension_values(axes: list[Axis], row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a row for its dimensions."""
    return {axis.field: axis.read(row[f"key{index}"]) for index, axis in enumerate(axes)}


def _ticket_measures(row: Mapping[str, Any]) -> dict[str, Any]:
    median, p90 = (None if row[name] is None else float(row[name]) for name in ("median", "p90"))
    counts = {name: row[name] for name in ("count", "answered", "solved")}
    return {**counts, "median_first_response_seconds": median, "p90_first_response_seconds": p90}


def _revenue_measures(row: Mapping[str, Any]) -> dict[str, Any]:
    # PostgreSQL sums to a decimal.
    sums = {name: Money(int(row[name])) for name in ("net", "vat", "gross")}
    return {"invoices": row["invoices"], **sums}


def offers_of(context: Context, parents: Sequence[Any]) -> RowByForeignKey:
    """The offer of each row, None when the rows aren't grouped by offer."""
    return RowByForeignKey(parents, "offer_id", QuerySet(Offer))


def report_cost(arguments: Mapping[str, Any]) -> int:
    """The cost of a report besides its rows, which grows with the days of its range and with its
    dimensions.
    """
    dimensions = arguments.get("groupBy", arguments.get("group_by")) or ()
    days = _days(arguments.get("since"), arguments.get("until"))
    return _REPORT_COST + _COST_PER_DAY_AND_DIMENSION * days * len(dimensions)


def range_cost(arguments: Mapping[str, Any]) -> int:
    """The cost of a report without dimensions besides its rows: the same as with one dimension."""
    days = _days(arguments.get("since"), arguments.get("until"))
    return _REPORT_COST + _COST_PER_DAY_AND_DIMENSION * days


def _days(since: date | None, until: date | None) -> int:
    if since is None:
        return DEFAULT_DAYS
    # Costs are estimated before there is a context with a clock.
    until = until or local_date(datetime.now(UTC))
    return min(max(DEFAULT_DAYS, (until - since).days), MAX_DAYS)
