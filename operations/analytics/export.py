"""The answer to a query as a file: CSV (RFC 4180) in UTF-8, for programs and spreadsheets.

Each measure is a column of plain numbers, amounts in euros, and a column that says whether they are
hidden. With a comparison or a running total it has further columns.
"""

import csv
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import date
from io import StringIO

from models.computing import compute
from models.text import spreadsheet_text
from operations.analytics.facts import Unit
from operations.analytics.query import AnalyticsQuery
from operations.analytics.statement import MAX_CELLS
from operations.analytics.table import Cell, Column, Table, answer

_ROWS_PER_PIECE = 500


async def query_csv(
    query: AnalyticsQuery, today: date, minimum_companies: int
) -> AsyncIterator[bytes]:
    """All rows of the answer, in pieces. Raises Refusal and BadInput."""
    table = await answer(query, today, minimum_companies, MAX_CELLS)
    head, *rows = await compute(lambda: [*_lines(table, query)])
    yield _csv([head])
    for start in range(0, len(rows), _ROWS_PER_PIECE):
        yield _csv(rows[start : start + _ROWS_PER_PIECE])


def _lines(table: Table, query: AnalyticsQuery) -> Iterator[list[str]]:
    """The header, and a line for each row."""
    yield [column.name for column in table.dimensions] + [
        name
        for column, measure in zip(table.measures, query.measures, strict=True)
        for name in (
            column.name,
            f"{column.name}_hidden",
            *(
                (f"{column.name}_previous", f"{column.name}_change")
                if query.compare is not None
                else ()
            ),
            *((f"{column.name}_running_total",) if measure.running_total else ()),
        )
    ]
    for row in table.rows:
        yield [spreadsheet_text(key or "") for key in row.keys] + [
            text
            for cell, column, measure in zip(row.cells, table.measures, query.measures, strict=True)
            for text in _texts(cell, column, query.compare is not None, measure.running_total)
        ]


def _texts(cell: Cell, column: Column, compares: bool, adds_up: bool) -> Iterator[str]:
    yield _text(cell.number, column)
    yield "true" if cell.is_hidden else "false"
    if compares:
        yield _text(cell.previous.number if cell.previous else None, column)
        yield "" if cell.change is None else repr(cell.change)
    if adds_up:
        yield _text(cell.running_total, column)


def _text(number: float | int | None, column: Column) -> str:
    if number is None:
        return ""
    if column.unit is Unit.EUR:
        euros, cents = divmod(abs(int(number)), 100)
        return f"{'-' if number < 0 else ''}{euros}.{cents:02}"
    return repr(number)


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
