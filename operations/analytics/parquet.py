"""The answer to a query as an Apache Parquet file, whose columns have types.

Amounts are integers in cents, next to a column with their currency. What is hidden is null, and
another column says so, as in CSV (operations/analytics/export.py).
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from operations.analytics.catalogue import fact_tables
from operations.analytics.facts import Fact, Function, Unit
from operations.analytics.periods import Period
from operations.analytics.query import AnalyticsQuery, Measure
from operations.analytics.statement import MAX_CELLS
from operations.analytics.table import Cell, Row, Table, answer

_CURRENCY = "EUR"
_ROWS_PER_INSERT = 1_000  # other threads run in between
_BYTES_PER_PIECE = 65_536
# One processor, no more memory than an answer needs, and nothing from the network.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "memory_limit": "256MB",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


@dataclass(frozen=True)
class _ParquetColumn:
    """A column of the file: its name, DuckDB's name of its type, and its value of a row."""

    name: str
    kind: str
    value: Callable[[Row], Any]


async def query_parquet(
    query: AnalyticsQuery, today: date, minimum_companies: int
) -> AsyncIterator[bytes]:
    """All rows of the answer, in pieces of the file. Raises Refusal and BadInput."""
    table = await answer(query, today, minimum_companies, MAX_CELLS)
    content = await asyncio.to_thread(_file, table, query)
    for start in range(0, len(content), _BYTES_PER_PIECE):
        yield content[start : start + _BYTES_PER_PIECE]


def _file(table: Table, query: AnalyticsQuery) -> bytes:
    import duckdb  # a fifth of a second, which starting the server doesn't have to take

    columns = list(_columns(table, query))
    names = ", ".join(f'"{column.name}" {column.kind}' for column in columns)
    values = ", ".join(
        f"unnest(${index}::{column.kind}[])" for index, column in enumerate(columns, 1)
    )
    with (
        tempfile.TemporaryDirectory(prefix="camcha-") as folder,
        duckdb.connect(":memory:", config=_CONFIG) as database,
    ):
        path = Path(folder) / "answer.parquet"
        database.execute(f"CREATE TABLE answer ({names})")
        for start in range(0, len(table.rows), _ROWS_PER_INSERT):
            rows = table.rows[start : start + _ROWS_PER_INSERT]
            lists = [[column.value(row) for row in rows] for column in columns]
            database.execute(f"INSERT INTO answer SELECT {values}", lists)
        metadata = f"since: '{table.since}', until: '{table.until}', fact: '{query.fact}'"
        database.execute(
            f"COPY answer TO '{path}' "
            f"(FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{metadata}}})"
        )
        return path.read_bytes()


def _columns(table: Table, query: AnalyticsQuery) -> Iterator[_ParquetColumn]:
    fact = fact_tables("sqlite")[query.fact]
    for index, name in enumerate(query.dimensions):
        kind, parse = _key_type(name, fact)
        yield _ParquetColumn(name, kind, _key(index, parse))
    seen: set[str] = set()
    for index, (column, measure) in enumerate(zip(table.measures, query.measures, strict=True)):
        name = column.name
        if name in seen:  # a measure that is asked for twice
            name = f"{name}_{index + 1}"
        seen.add(name)
        yield from _measure_columns(name, index, measure, column.unit, query)


def _measure_columns(
    name: str, index: int, measure: Measure, unit: Unit | None, query: AnalyticsQuery
) -> Iterator[_ParquetColumn]:
    kind = _number_type(measure, unit)
    if unit is Unit.EUR:
        yield _ParquetColumn(f"{name}_cents", kind, _cell(index, _number))
        yield _ParquetColumn(f"{name}_currency", "VARCHAR", lambda _row: _CURRENCY)
    else:
        yield _ParquetColumn(name, kind, _cell(index, _number))
    yield _ParquetColumn(f"{name}_hidden", "BOOLEAN", _cell(index, lambda cell: cell.is_hidden))
    suffix = "_cents" if unit is Unit.EUR else ""
    if query.compare is not None:
        yield _ParquetColumn(f"{name}_previous{suffix}", kind, _cell(index, _previous))
        yield _ParquetColumn(f"{name}_change", "DOUBLE", _cell(index, lambda cell: cell.change))
    if measure.running_total:
        yield _ParquetColumn(
            f"{name}_running_total{suffix}", kind, _cell(index, lambda cell: cell.running_total)
        )


def _cell(index: int, value: Callable[[Cell], Any]) -> Callable[[Row], Any]:
    return lambda row: value(row.cells[index])


def _number(cell: Cell) -> float | int | None:
    return cell.number


def _previous(cell: Cell) -> float | int | None:
    return cell.previous.number if cell.previous else None


def _number_type(measure: Measure, unit: Unit | None) -> str:
    """Amounts and numbers of things are integers, means and times aren't."""
    adds_up = measure.function in (Function.COUNT, Function.DISTINCT, Function.SUM)
    return "BIGINT" if unit is Unit.EUR or (unit is Unit.COUNT and adds_up) else "DOUBLE"


def _key(index: int, parse: Callable[[str], Any]) -> Callable[[Row], Any]:
    def value(row: Row) -> Any:
        key = row.keys[index]
        return None if key is None else parse(key)

    return value


def _key_type(name: str, fact: Fact) -> tuple[str, Callable[[str], Any]]:
    """The type of a dimension, and how its keys become values of it."""
    if name == Period.HOUR:
        return "TIMESTAMPTZ", datetime.fromisoformat
    if name in (Period.WEEKDAY, Period.HOUR_OF_DAY):
        return "UTINYINT", int
    if name in Period.__members__:
        return "DATE", date.fromisoformat
    return ("INTEGER", int) if fact.dimensions[name].is_number else ("VARCHAR", str)
