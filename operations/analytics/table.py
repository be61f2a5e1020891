"""The answer to a query: a table whose cells are complete, hidden or empty.

What is hidden influences nothing else: running totals leave it out, and conditions and orders
ignore it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from itertools import product
from typing import Any

from models.computing import compute
from models.database.sql import dialect, execute_report
from models.errors import BadInput
from models.translations import _
from operations.analytics.anonymity import Companies, Key, hidden_cells, split_cells
from operations.analytics.catalogue import fact_tables
from operations.analytics.facts import Fact, Function, Unit
from operations.analytics.periods import Period, keys_of
from operations.analytics.query import AnalyticsQuery, Measure
from operations.analytics.statement import (
    MAX_CELLS,
    Statement,
    can_be_bounded,
    cells_statement,
)

_ADDED_UP = (Function.COUNT, Function.DISTINCT, Function.SUM)


@dataclass(frozen=True)
class Cell:
    """A number of a row: cents for amounts. None when there is nothing to compute it from, or when
    it is hidden.
    """

    number: float | int | None = None
    is_hidden: bool = False
    previous: "Cell | None" = None
    running_total: float | int | None = None

    @property
    def change(self) -> float | None:
        """The change since the previous number, as a fraction of it."""
        if self.number is None or self.previous is None or not self.previous.number:
            return None
        return (self.number - self.previous.number) / abs(self.previous.number)


@dataclass(frozen=True)
class Row:
    """A group: the values of its dimensions, and its numbers."""

    keys: Key
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Column:
    """A dimension or a measure, with the unit of its numbers."""

    name: str
    unit: Unit | None = None


@dataclass(frozen=True)
class Table:
    """The answer to a query."""

    since: date
    until: date
    dimensions: tuple[Column, ...]
    measures: tuple[Column, ...]
    rows: tuple[Row, ...]
    row_count: int
    hidden_count: int
    minimum_companies: int

    @property
    def truncated(self) -> bool:
        """Whether rows were left off."""
        return self.row_count > len(self.rows)


async def answer(
    query: AnalyticsQuery, today: date, minimum_companies: int, limit: int | None = None
) -> Table:
    """Answer a query, with at most `limit` rows instead of the number that it asks for. Raises
    Refusal with all errors of the query, and BadInput when it results in too many groups.
    """
    fact = fact_tables(dialect(), today)[query.fact]
    query.check(fact, today)
    days = query.date_range(today)
    groups = await _fetch_range(query, fact, days, today, minimum_companies)
    compared = query.range_compared(*days)
    earlier = (
        await _fetch_range(query, fact, compared, today, minimum_companies) if compared else None
    )
    # A thread, because thousands of cells would hold up the event loop.
    return await compute(
        _table, query, fact, groups, earlier, minimum_companies, limit or query.first
    )


def _table(
    query: AnalyticsQuery,
    fact: Fact,
    groups: "_Range",
    earlier: "_Range | None",
    minimum_companies: int,
    limit: int,
) -> Table:
    days = groups.days
    rows = _rows(query, fact, groups, minimum_companies)
    if earlier:
        previous = _rows(query, fact, earlier, minimum_companies)
        rows = _with_previous(rows, previous, query, days, earlier.days)
    if query.fill_gaps:
        rows = _fill_gaps(rows, query, days)
    ordered = sorted(rows, key=lambda row: _sort_key(row.keys, query, fact))
    ordered = _with_running_totals(ordered, query)
    chosen = [row for row in ordered if _is_kept(row, query)]
    chosen = _order_by_measure(chosen, query)
    shown = tuple(chosen[:limit])
    return Table(
        *days,
        tuple(Column(name) for name in query.dimensions),
        tuple(Column(_name(each), _unit(each, fact)) for each in query.measures),
        shown,
        len(chosen),
        sum(cell.is_hidden for row in shown for cell in row.cells),
        minimum_companies,
    )


def _name(measure: Measure) -> str:
    return "_".join(filter(None, (measure.function, measure.of)))


def _unit(measure: Measure, fact: Fact) -> Unit:
    if measure.function in (Function.COUNT, Function.DISTINCT):
        return Unit.COUNT
    unit = fact.values[str(measure.of)].unit
    return Unit.COUNT if unit is Unit.SHARE and measure.function is Function.SUM else unit


@dataclass(frozen=True)
class _Range:
    """The groups of a range of days, as the database returned them, also in the table of all
    dimensions that the query filters by.
    """

    days: tuple[date, date]
    groups: Sequence[Mapping[str, Any]]
    finer_groups: Sequence[Mapping[str, Any]]


async def _fetch_range(
    query: AnalyticsQuery, fact: Fact, days: tuple[date, date], today: date, minimum: int
) -> _Range:
    groups = await _fetch(query, fact, days, today, minimum)
    finer_groups = await _fetch(_finer(query), fact, days, today, minimum) if query.accepted else ()
    return _Range(days, groups, finer_groups)


def _rows(query: AnalyticsQuery, fact: Fact, range_: _Range, minimum: int) -> list[Row]:
    """The rows of a range of days, in no order."""
    rows = _by_key(query, range_.groups)
    split = _split_cells(query, fact, range_.finer_groups, minimum)
    numbers = [_numbers(measure, index, rows, fact) for index, measure in enumerate(query.measures)]
    hidden = [
        hidden_cells(
            {
                key: Companies(row["companies"], row[f"companies{index}"])
                for key, row in rows.items()
            },
            minimum,
            _axes(query, fact),
        )
        | split
        for index in range(len(query.measures))
    ]
    return [
        Row(
            key,
            tuple(
                Cell(is_hidden=True) if key in hidden[index] else Cell(numbers[index][key])
                for index in range(len(query.measures))
            ),
        )
        for key in rows
    ]


def _axes(query: AnalyticsQuery, fact: Fact) -> list[int] | None:
    """The dimensions along which cells can be added: not the days of snapshots."""
    if not fact.is_snapshot:
        return None
    return [index for index, name in enumerate(query.dimensions) if name not in Period.__members__]


def _finer(query: AnalyticsQuery) -> AnalyticsQuery:
    """The query for the table of all dimensions that this one filters by."""
    added = [name for name in query.accepted if name not in query.dimensions]
    return replace(
        query,
        dimensions=(*query.dimensions, *added),
        accepted={},
        measures=(Measure(Function.COUNT),),
    )


def _split_cells(
    query: AnalyticsQuery, fact: Fact, finer_groups: Sequence[Mapping[str, Any]], minimum: int
) -> set[Key]:
    """The cells that a filter selects from what is hidden in the table of all its dimensions."""
    if not query.accepted:
        return set()
    finer = _finer(query)
    cells = {
        key: Companies(row["companies"], row["companies0"])
        for key, row in _by_key(finer, finer_groups).items()
    }
    positions = {name: finer.dimensions.index(name) for name in query.accepted}
    return split_cells(
        hidden_cells(cells, minimum, _axes(finer, fact)),
        len(query.dimensions),
        lambda key: all(
            key[position] in query.accepted[name] for name, position in positions.items()
        ),
    )


async def _fetch(
    query: AnalyticsQuery, fact: Fact, days: tuple[date, date], today: date, minimum: int
) -> Sequence[Mapping[str, Any]]:
    """The cells of a query. Their numbers of companies are exact if one of them is below the
    minimum, otherwise they may be lower bounds, with which nothing is hidden either.
    """
    statement = partial(cells_statement, query, fact, days, today, dialect())
    if can_be_bounded(query, dialect()):
        rows = await _execute(statement(is_bounded=True))
        if not await compute(_has_small_groups, query, rows, minimum):
            return rows
    return await _execute(statement())


def _has_small_groups(
    query: AnalyticsQuery, groups: Sequence[Mapping[str, Any]], minimum: int
) -> bool:
    names = ["companies", *(f"companies{index}" for index in range(len(query.measures)))]
    return any(0 < group[name] < minimum for group in groups for name in names)


async def _execute(statement: Statement) -> Sequence[Mapping[str, Any]]:
    rows = await execute_report(statement.sql, *statement.params)
    if len(rows) > MAX_CELLS:
        raise BadInput(
            "by",
            _("“%(argument)s” results in more than %(maximum)s groups. Use fewer dimensions."),
            maximum=MAX_CELLS,
        )
    return rows


def _by_key(
    query: AnalyticsQuery, groups: Sequence[Mapping[str, Any]]
) -> dict[Key, Mapping[str, Any]]:
    size = len(query.dimensions)
    return {tuple(_text(row[f"key{index}"]) for index in range(size)): row for row in groups}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _numbers(
    measure: Measure, index: int, rows: Mapping[Key, Mapping[str, Any]], fact: Fact
) -> dict[Key, float | int | None]:
    value = fact.values.get(measure.of or "") if measure.function is not Function.DISTINCT else None
    unit, divisor = _unit(measure, fact), value.divisor if value else 1

    def number(row: Mapping[str, Any]) -> float | int | None:
        low, high, counted = row[f"low{index}"], row[f"high{index}"], row[f"counted{index}"]
        if low is None:
            return 0 if measure.function is Function.SUM else None
        exact = Decimal(int(low)) / divisor
        if measure.function is Function.MEAN:
            exact /= counted
        elif high is not None:
            exact = (exact + Decimal(int(high)) / divisor) / 2
        if unit in (Unit.EUR, Unit.COUNT) and (unit is Unit.EUR or measure.function in _ADDED_UP):
            return int(exact.quantize(Decimal(1), ROUND_HALF_UP))
        return float(exact)

    return {key: number(row) for key, row in rows.items()}


def _with_previous(
    rows: Sequence[Row],
    earlier: Sequence[Row],
    query: AnalyticsQuery,
    days: tuple[date, date],
    compared: tuple[date, date],
) -> list[Row]:
    """The rows with those of the earlier range. Buckets of time correspond by their position."""
    later_keys = [_later_keys(name, days, compared) for name in query.dimensions]
    previous = {
        tuple(
            key if mapped is None else mapped.get(str(key))
            for key, mapped in zip(row.keys, later_keys, strict=True)
        ): row
        for row in earlier
    }
    by_key = {row.keys: row for row in rows}
    empty = _empty_cells(query)
    keys = [
        *by_key,
        *(key for key in previous if key not in by_key and not _is_beyond(key, later_keys)),
    ]
    return [
        Row(
            key,
            tuple(
                replace(cell, previous=previous[key].cells[index] if key in previous else none)
                for index, (cell, none) in enumerate(
                    zip(by_key[key].cells if key in by_key else empty, empty, strict=True)
                )
            ),
        )
        for key in keys
    ]


def _later_keys(
    name: str, days: tuple[date, date], compared: tuple[date, date]
) -> dict[str, str] | None:
    if name not in Period.__members__:
        return None
    period = Period(name)
    return dict(zip(keys_of(period, *compared), keys_of(period, *days), strict=False))


def _is_beyond(key: Key, later_keys: Sequence[dict[str, str] | None]) -> bool:
    """Whether an earlier bucket corresponds to none in the range, because the earlier range has
    more buckets.
    """
    return any(
        part is None and mapped is not None for part, mapped in zip(key, later_keys, strict=True)
    )


def _empty_cells(query: AnalyticsQuery) -> tuple[Cell, ...]:
    return tuple(Cell(0 if each.function in _ADDED_UP else None) for each in query.measures)


def _fill_gaps(rows: Sequence[Row], query: AnalyticsQuery, days: tuple[date, date]) -> list[Row]:
    """The rows, with an empty row added for each bucket of time without one, for all values of the
    other dimensions.
    """
    positions = [index for index, name in enumerate(query.dimensions) if name in Period.__members__]
    domains = [keys_of(Period(query.dimensions[index]), *days) for index in positions]
    by_key = {row.keys: row for row in rows}
    empty = _empty_cells(query)
    if query.compare:
        empty = tuple(replace(cell, previous=cell) for cell in empty)
    others = list(dict.fromkeys(_without(row.keys, positions) for row in rows))
    if not others and len(positions) == len(query.dimensions):
        others = [()]
    size = len(others)
    for domain in domains:
        size *= len(domain)
    if size > MAX_CELLS:
        raise BadInput(
            "fillGaps",
            _("“%(argument)s” results in more than %(maximum)s groups. Use fewer dimensions."),
            maximum=MAX_CELLS,
        )
    for other in others:
        for buckets in product(*domains):
            parts = list(other)
            for position, part in zip(positions, buckets, strict=True):
                parts.insert(position, part)
            by_key.setdefault(tuple(parts), Row(tuple(parts), empty))
    return list(by_key.values())


def _without(key: Key, positions: Sequence[int]) -> Key:
    return tuple(part for index, part in enumerate(key) if index not in positions)


def _sort_key(key: Key, query: AnalyticsQuery, fact: Fact) -> list[tuple[int, float, str]]:
    """The key to sort by the dimensions in their order: enums in their own order, numbers by size,
    None last.
    """
    return list(map(_rank, key, (_order_of(name, fact) for name in query.dimensions)))


def _order_of(name: str, fact: Fact) -> Callable[[str], float] | None:
    if name in (Period.WEEKDAY, Period.HOUR_OF_DAY):
        return float
    if name in Period.__members__:
        return None
    dimension = fact.dimensions[name]
    if dimension.is_number:
        return float
    return [member.value for member in dimension.kind].index if dimension.kind else None


def _rank(part: str | None, order: Callable[[str], float] | None) -> tuple[int, float, str]:
    if part is None:
        return (1, 0, "")
    return (0, order(part) if order else 0, part)


def _with_running_totals(rows: Sequence[Row], query: AnalyticsQuery) -> list[Row]:
    """The rows with the sums up to each, over time within the values of the other dimensions."""
    wanted = [index for index, each in enumerate(query.measures) if each.running_total]
    if not wanted:
        return list(rows)
    positions = [index for index, name in enumerate(query.dimensions) if name in Period.__members__]
    totals: dict[tuple[Key, int], float | int] = {}

    def cells(row: Row) -> Iterator[Cell]:
        for index, cell in enumerate(row.cells):
            if index not in wanted:
                yield cell
                continue
            place = (_without(row.keys, positions), index)
            totals[place] = totals.get(place, 0) + (cell.number or 0)
            yield replace(cell, running_total=totals[place])

    return [Row(row.keys, tuple(cells(row))) for row in rows]


def _is_kept(row: Row, query: AnalyticsQuery) -> bool:
    """Whether a row meets the conditions on its numbers. A hidden number meets every condition."""
    return all(
        cell.is_hidden or each.having.contain(cell.number)
        for cell, each in zip(row.cells, query.measures, strict=True)
    )


def _order_by_measure(rows: list[Row], query: AnalyticsQuery) -> list[Row]:
    """The rows ordered by the measure that the query orders by, those without a number last."""
    for index, measure in enumerate(query.measures):
        if measure.descending is not None:
            sign = -1 if measure.descending else 1
            return sorted(
                rows,
                key=lambda row: (
                    row.cells[index].number is None,
                    sign * (row.cells[index].number or 0),
                ),
            )
    return rows
