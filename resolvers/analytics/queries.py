"""Analysts' queries of fact tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any

import strawberry

from auth.tokens import Purpose
from models.billing.money import Money
from models.clock import local_date
from models.computing import compute
from models.locale import Locale
from operations.analytics.catalogue import fact_tables
from operations.analytics.facts import Unit
from operations.analytics.labels import (
    dimension_label,
    key_label,
    measure_label,
    number_label,
)
from operations.analytics.query import (
    DEFAULT_DAYS,
    DEFAULT_ROWS,
    MAX_DAYS,
    MAX_ROWS,
    AnalyticsQuery,
    Measure,
)
from operations.analytics.table import Cell, Column, Table, answer
from resolvers.analytics.inputs import AnalyticsQueryInput, parse_query
from resolvers.context import Context, Info

_BASE_COST = 50
_COST_PER_DAY_AND_DIMENSION = 2
_DAYS = {"DAY": 1, "WEEK": 7, "MONTH": 31, "QUARTER": 92, "YEAR": 366}


@dataclass(frozen=True)
class AnalyticsMeasure:
    """A measure of a table, with the name and the unit of its column."""

    name: str
    unit: Unit
    measure: Measure
    fact: str


@dataclass(frozen=True)
class AnalyticsNumber:
    """A number, or an amount of money."""

    number: float | None
    amount: Money | None
    is_hidden: bool
    unit: Unit | None


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
    query: AnalyticsQuery


@dataclass(frozen=True)
class AnalyticsTable:
    """The answer to a query."""

    since: date
    until: date
    dimensions: list[str]
    measures: list[AnalyticsMeasure]
    rows: list[AnalyticsRow]
    row_count: int
    truncated: bool
    hidden_count: int
    minimum_companies: int
    query: AnalyticsQuery


async def analytics(info: Info, query: Any) -> AnalyticsTable:
    """The answer to a query. Raises Refusal and BadInput."""
    return await answer_query(info.context, parse_query(query))


async def answer_query(context: Context, query: AnalyticsQuery) -> AnalyticsTable:
    """The answer to a query. Raises Refusal and BadInput."""
    services = context.services
    today = local_date(services.clock.now())
    table = await answer(query, today, services.analytics.min_companies)
    return await compute(_as_result, table, query)


# The input is made when the program starts, so mypy doesn't accept it as the type of a parameter.
analytics.__annotations__["query"] = Annotated[
    AnalyticsQueryInput, strawberry.argument(description="The query.")
]


def csv_urls(context: Context, rows: Sequence[AnalyticsTable]) -> list[str]:
    """A link to the answer to each query as a CSV file."""
    return [_file_url(context, row) for row in rows]


def parquet_urls(context: Context, rows: Sequence[AnalyticsTable]) -> list[str]:
    """A link to the answer to each query as a Parquet file."""
    return [_file_url(context, row, format="parquet") for row in rows]


def _file_url(context: Context, table: AnalyticsTable, **format_: str) -> str:
    services = context.services
    token = services.auth.signer.sign(
        Purpose.DOWNLOAD, services.clock.now(), analytics=table.query.to_json(), **format_
    )
    return f"{services.base_url}/downloads/{token}"


def dimension_labels(
    context: Context, rows: Sequence[AnalyticsTable], locale: Locale | None
) -> list[list[str]]:
    """What the dimensions of each table are called."""
    language = locale or context.viewer.locale
    return [[dimension_label(name, language) for name in row.dimensions] for row in rows]


def measure_labels(
    context: Context, rows: Sequence[AnalyticsMeasure], locale: Locale | None
) -> list[str]:
    """What each measure is called."""
    facts, language = fact_tables("sqlite"), locale or context.viewer.locale
    return [measure_label(row.measure, facts[row.fact], language) for row in rows]


def key_labels(
    context: Context, rows: Sequence[AnalyticsRow], locale: Locale | None
) -> list[list[str]]:
    """How the values of the dimensions of each row are written."""
    language = locale or context.viewer.locale
    return [
        [
            key_label(name, key, row.query.fact, language)
            for name, key in zip(row.query.dimensions, row.keys, strict=True)
        ]
        for row in rows
    ]


def number_labels(
    context: Context, rows: Sequence[AnalyticsNumber], locale: Locale | None
) -> list[str | None]:
    """How each number is written, None for a hidden one."""
    language = locale or context.viewer.locale
    return [
        None
        if row.is_hidden
        else number_label(row.amount.cents if row.amount else row.number, row.unit, language)
        for row in rows
    ]


def _as_result(table: Table, query: AnalyticsQuery) -> AnalyticsTable:
    """The table in the types of the schema."""
    return AnalyticsTable(
        table.since,
        table.until,
        [column.name for column in table.dimensions],
        [
            AnalyticsMeasure(column.name, column.unit or Unit.COUNT, measure, query.fact)
            for column, measure in zip(table.measures, query.measures, strict=True)
        ],
        [
            AnalyticsRow(
                list(row.keys),
                [
                    _cell(cell, column)
                    for cell, column in zip(row.cells, table.measures, strict=True)
                ],
                query,
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
        column.unit,
        None
        if previous is None
        else AnalyticsNumber(*_number(previous.number, column), previous.is_hidden, column.unit),
        cell.change,
        None if total is None else AnalyticsNumber(*_number(total, column), False, column.unit),
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
    rows: int = chosen.get("first", DEFAULT_ROWS)
    return _cost(days, len(chosen.get("by") or ()), bool(chosen.get("compare")), rows)


def cost_of_query(query: AnalyticsQuery) -> int:
    """The cost of a query that was checked."""
    last = query.last and {"number": query.last[0], "period": query.last[1]}
    days = _days(query.since, query.until, last)
    return _cost(days, len(query.dimensions), bool(query.compare), query.first)


def _cost(days: int, dimensions: int, compares: bool, rows: int) -> int:
    size = (1 + dimensions) * (2 if compares else 1)
    return _BASE_COST + _COST_PER_DAY_AND_DIMENSION * days * size + max(0, min(rows, MAX_ROWS))


def _days(since: date | None, until: date | None, last: Mapping[str, Any] | None) -> int:
    if last:
        period = str(getattr(last["period"], "value", last["period"]))
        return min(max(1, int(last["number"])) * _DAYS[period], MAX_DAYS)
    if since is None:
        return DEFAULT_DAYS
    # Costs are estimated before there is a context with a clock.
    until = until or local_date(datetime.now(UTC))
    return min(max(DEFAULT_DAYS, (until - since).days), MAX_DAYS)
