"""Analysts' queries of fact tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any

import strawberry

from auth.tokens import Purpose
from models.billing.money import Money
from models.clock import local_date
from operations.analytics.facts import Unit
from operations.analytics.query import DEFAULT_DAYS, DEFAULT_ROWS, MAX_DAYS, AnalyticsQuery
from operations.analytics.table import Cell, Column, Table, answer
from resolvers.analytics.inputs import AnalyticsQueryInput, parse_query
from resolvers.context import Context, Info

_BASE_COST = 50
_COST_PER_DAY_AND_DIMENSION = 2
_DAYS = {"DAY": 1, "WEEK": 7, "MONTH": 31, "QUARTER": 92, "YEAR": 366}


@dataclass(frozen=True)
class AnalyticsNumber:
    """A number, or an amount of money."""

    number: float | None
    amount: Money | None
    is_hidden: bool


@dataclass(frozen=True)
class AnalyticsCell(AnalyticsNumber):
    """A number, with the one that it is compared with."""

    previous: AnalyticsNumber | None
    change: float | None
    running_total: AnalyticsNumber | None


@dataclass(frozen=True)
class AnalyticsRow:
    """A row of the answer: a group."""

    keys: list[str | None]
    cells: list[AnalyticsCell]


@dataclass(frozen=True)
class AnalyticsTable:
    """The answer to a query."""

    since: date
    until: date
    dimensions: list[str]
    measures: list[Column]
    rows: list[AnalyticsRow]
    row_count: int
    truncated: bool
    hidden_count: int
    minimum_companies: int
    query: AnalyticsQuery


async def analytics(info: Info, query: Any) -> AnalyticsTable:
    """The answer to a query. Raises Refusal and BadInput."""
    services = info.context.services
    today = local_date(services.clock.now())
    parsed = parse_query(query)
    return _as_result(await answer(parsed, today, services.analytics.min_companies), parsed)


# The input is made when the program starts, so mypy doesn't accept it as the type of a parameter.
analytics.__annotations__["query"] = Annotated[
    AnalyticsQueryInput, strawberry.argument(description="The query.")
]


def csv_urls(context: Context, rows: Sequence[AnalyticsTable]) -> list[str]:
    """A link to the answer to each query as a file."""
    services = context.services
    tokens = [
        services.auth.signer.sign(
            Purpose.DOWNLOAD, services.clock.now(), analytics=row.query.to_json()
        )
        for row in rows
    ]
    return [f"{services.base_url}/downloads/{token}" for token in tokens]


def _as_result(table: Table, query: AnalyticsQuery) -> AnalyticsTable:
    """The table in the types of the schema."""
    return AnalyticsTable(
        table.since,
        table.until,
        [column.name for column in table.dimensions],
        list(table.measures),
        [
            AnalyticsRow(
                list(row.keys),
                [
                    _cell(cell, column)
                    for cell, column in zip(row.cells, table.measures, strict=True)
                ],
            )
            for row in table.rows
        ],
        table.row_count,
        table.truncated,
        table.hidden_count,
        table.minimum_companies,
        query,
    )


def _cell(cell: Cell, column: Column) -> AnalyticsCell:
    previous, total = cell.previous, cell.running_total
    return AnalyticsCell(
        *_number(cell.number, column),
        cell.is_hidden,
        None
        if previous is None
        else AnalyticsNumber(*_number(previous.number, column), previous.is_hidden),
        cell.change,
        None if total is None else AnalyticsNumber(*_number(total, column), False),
    )


def _number(number: float | int | None, column: Column) -> tuple[float | None, Money | None]:
    if number is None:
        return None, None
    return (None, Money(int(number))) if column.unit is Unit.EUR else (float(number), None)


def query_cost(arguments: Mapping[str, Any]) -> int:
    """The cost of a query, which grows with the days of its range, with its dimensions, and with
    its rows.
    """
    query = arguments["query"]
    chosen = next(iter(query.values())) if isinstance(query, Mapping) and query else {}
    days = _days(chosen.get("since"), chosen.get("until"), chosen.get("last"))
    size = 1 + len(chosen.get("by") or ())
    if chosen.get("compare"):
        size *= 2
    rows: int = chosen.get("first", DEFAULT_ROWS)
    return _BASE_COST + _COST_PER_DAY_AND_DIMENSION * days * size + max(0, min(rows, 1_000))


def _days(since: date | None, until: date | None, last: Mapping[str, Any] | None) -> int:
    if last:
        period = str(getattr(last["period"], "value", last["period"]))
        return min(max(1, int(last["number"])) * _DAYS[period], MAX_DAYS)
    if since is None:
        return DEFAULT_DAYS
    # Costs are estimated before there is a context with a clock.
    until = until or local_date(datetime.now(UTC))
    return min(max(DEFAULT_DAYS, (until - since).days), MAX_DAYS)
