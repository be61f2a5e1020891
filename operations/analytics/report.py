"""The answer to a query as a small table of texts, for an email."""

from mail.query_report import QueryReport
from models.locale import Locale
from models.translations import text
from operations.analytics.catalogue import fact_tables
from operations.analytics.facts import Unit
from operations.analytics.labels import (
    FACTS,
    HIDDEN,
    change_label,
    dimension_label,
    key_label,
    measure_label,
    number_label,
    range_label,
)
from operations.analytics.query import AnalyticsQuery
from operations.analytics.table import Cell, Row, Table

_MAX_ROWS = 12
_MAX_MEASURES = 3  # next to the groups, on a phone


def report_of(table: Table, query: AnalyticsQuery, name: str, locale: Locale) -> QueryReport:
    """The report of the answer to a query that was saved under a name."""
    fact = fact_tables("sqlite")[query.fact]
    measures = query.measures[:_MAX_MEASURES]
    groups = " · ".join(dimension_label(each, locale) for each in query.dimensions)
    rows = table.rows[:_MAX_ROWS]
    return QueryReport(
        name,
        text(FACTS[query.fact], locale),
        range_label(table.since, table.until, locale),
        (groups, *(measure_label(each, fact, locale) for each in measures)),
        tuple(_texts(row, table, query, len(measures), locale) for row in rows),
        table.row_count - len(rows),
        len(query.measures) - len(measures),
        sum(cell.is_hidden for row in rows for cell in row.cells[: len(measures)]),
        table.minimum_companies,
    )


def _texts(
    row: Row, table: Table, query: AnalyticsQuery, measures: int, locale: Locale
) -> tuple[str, ...]:
    group = " · ".join(
        key_label(name, key, query.fact, locale)
        for name, key in zip(query.dimensions, row.keys, strict=True)
    )
    cells = zip(row.cells[:measures], table.measures[:measures], strict=True)
    return (group, *(_text(cell, column.unit, locale) for cell, column in cells))


def _text(cell: Cell, unit: Unit | None, locale: Locale) -> str:
    if cell.is_hidden:
        return text(HIDDEN, locale)
    number = number_label(cell.number, unit, locale)
    if cell.previous is None:
        return number
    if cell.previous.is_hidden:
        return f"{number} ({text(HIDDEN, locale)})"
    return f"{number} ({change_label(cell.change, locale)})"
