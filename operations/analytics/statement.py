"""The SQL of a query: one statement for each table of cells.

A cell has the number of its companies and, for each measure, the integers from which the number is
computed, so that both databases give the same one. The median of n values is the mean of the middle
two when n is even; p90 is the value of rank ceil(0.9 n) (nearest rank).
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from models.clock import PARIS
from operations.analytics.facts import Fact, Function
from operations.analytics.periods import (
    Period,
    bucket,
    bucket_text,
    keys_of,
    next_first_day,
    paris_day,
)
from operations.analytics.query import AnalyticsQuery, Measure

MAX_CELLS = 20_000
_BITS = 63  # of a BIGINT, without its sign
_RANGE = re.compile(r"RANGE\(([a-z_.]+)\)")


class Statement(NamedTuple):
    """SQL with `?` placeholders and their values."""

    sql: str
    params: list[Any]


def cells_statement(
    query: AnalyticsQuery,
    fact: Fact,
    days: tuple[date, date],
    today: date,
    dialect: str,
    *,
    is_bounded: bool = False,
) -> Statement:
    """The statement for the cells of a query: `key0`, ..., `companies`, and for each measure
    `low0`, `high0` (which is null except for a median), `counted0` (rows) and `companies0`. With
    `is_bounded`, numbers of companies are lower bounds.
    """
    condition, params = _condition(query, fact, days)
    keys = [_key(name, fact, dialect) for name in query.dimensions]
    columns = [f"{sql} AS key{index}" for index, sql in enumerate(keys)]
    columns += [
        f"{_measured_sql(measure, fact)} AS value{index}"
        for index, measure in enumerate(query.measures)
    ]
    snapshot, snapshot_params = _measured_days(query, fact, days, today, dialect)
    rows, range_params = _with_range(fact, days)
    named = [fact.dimensions.get(name) for name in (*query.dimensions, *query.accepted)]
    joins = dict.fromkeys(dimension.join for dimension in named if dimension)
    cells = _placed_cells if _needs_places(query) else _summed_cells
    if is_bounded:
        cells = _bounded_cells
    sql = f"""
        WITH {snapshot}chosen AS (
            SELECT {", ".join([*columns, f"{fact.company} AS company"])}
            FROM {rows} {" ".join(joins)} WHERE ({fact.where}) AND {condition}
        ), {cells(query, [_text(name, fact, dialect) for name in query.dimensions])}
        LIMIT {MAX_CELLS + 1}"""  # noqa: S608 - made of our own names only
    return Statement(sql, [*snapshot_params, *range_params, *params])


def can_be_bounded(query: AnalyticsQuery, dialect: str) -> bool:
    """Whether there is a statement with lower bounds of the numbers of companies."""
    counted = (Function.COUNT, Function.SUM, Function.MEAN)
    return dialect != "sqlite" and all(each.function in counted for each in query.measures)


def _needs_places(query: AnalyticsQuery) -> bool:
    return any(each.function in (Function.MEDIAN, Function.P90) for each in query.measures)


def _names(query: AnalyticsQuery) -> list[str]:
    return [f"key{index}" for index in range(len(query.dimensions))]


def _texts(texts: Sequence[str]) -> list[str]:
    """The keys of the cells, as they are returned."""
    return [f"{text.format(f'key{index}')} AS key{index}" for index, text in enumerate(texts)]


def _placed_cells(query: AnalyticsQuery, texts: Sequence[str]) -> str:
    """The SQL that makes cells of the chosen facts when a measure depends on their order."""
    names = ", ".join(_names(query))
    partition = f"PARTITION BY {names} " if names else ""
    places = "".join(
        f", ROW_NUMBER() OVER ({partition}ORDER BY value{index} NULLS LAST) AS place{index}"
        f", COUNT(value{index}) OVER ({partition}) AS answers{index}"
        for index, measure in enumerate(query.measures)
        if measure.function in (Function.MEDIAN, Function.P90)
    )
    aggregates = [
        _aggregate(measure.function, index) for index, measure in enumerate(query.measures)
    ]
    columns = [*_texts(texts), "COUNT(DISTINCT company) AS companies", *aggregates]
    return (
        f"placed AS (SELECT *{places} FROM chosen) "  # noqa: S608 - made of our own names only
        f"SELECT {', '.join(columns)} FROM placed {f'GROUP BY {names}' if names else ''}"
    )


def _summed_cells(query: AnalyticsQuery, texts: Sequence[str]) -> str:
    """The SQL that makes cells of the chosen facts when numbers can be added: first for each
    company, then of all. That counts the companies of a million facts without sorting them. The
    rows that DISTINCT counts belong to one company each.
    """
    names = _names(query)
    inner, outer = ["COUNT(*) AS facts"], ["COUNT(company) AS companies"]
    for index, measure in enumerate(query.measures):
        value, low = f"value{index}", f"SUM(low{index})"
        sums = {Function.COUNT: "COUNT(*)", Function.DISTINCT: f"COUNT(DISTINCT {value})"}
        inner += [
            f"{sums.get(measure.function, f'SUM({value})')} AS low{index}",
            f"COUNT({value}) AS counted{index}",
        ]
        if measure.function in sums:  # of no facts
            low = f"COALESCE({low}, 0)"
        outer += [
            f"CAST({low} AS BIGINT) AS low{index}, NULL AS high{index}",
            f"CAST(COALESCE(SUM(counted{index}), 0) AS BIGINT) AS counted{index}",
            f"COUNT(CASE WHEN counted{index} > 0 THEN company END) AS companies{index}",
        ]
    group = f"GROUP BY {', '.join(names)}" if names else ""
    return (
        f"summed AS (SELECT {', '.join([*names, 'company', *inner])} FROM chosen "  # noqa: S608 - made of our own names only
        f"GROUP BY {', '.join([*names, 'company'])}) "
        f"SELECT {', '.join([*_texts(texts), *outer])} FROM summed {group}"
    )


def _bounded_cells(query: AnalyticsQuery, texts: Sequence[str]) -> str:
    """The SQL that makes cells of the chosen facts with lower bounds of the numbers of companies:
    each company sets one bit of 63, and the bits are counted. The facts are read once, without a
    group for each company.
    """

    def bits(condition: str) -> str:
        bit = f"CASE WHEN {condition} THEN CAST(1 AS BIGINT) << CAST(company % {_BITS} AS INT) END"
        return f"COALESCE(BIT_COUNT(CAST(BIT_OR({bit}) AS BIT(64))), 0)"

    columns = [*_texts(texts), f"{bits('TRUE')} AS companies"]
    for index, measure in enumerate(query.measures):
        value = f"value{index}"
        is_count = measure.function is Function.COUNT
        columns += [
            f"{'COUNT(*)' if is_count else f'CAST(SUM({value}) AS BIGINT)'} AS low{index}",
            f"NULL AS high{index}, COUNT({value}) AS counted{index}",
            f"{bits('TRUE' if is_count else f'{value} IS NOT NULL')} AS companies{index}",
        ]
    names = _names(query)
    group = f"GROUP BY {', '.join(names)}" if names else ""
    return f"cells AS (SELECT {', '.join(columns)} FROM chosen {group}) SELECT * FROM cells"  # noqa: S608 - made of our own names only


def _key(name: str, fact: Fact, dialect: str) -> str:
    """The SQL of the key of a fact, by which facts are grouped."""
    if name not in Period.__members__:
        return fact.dimensions[name].sql
    if fact.is_snapshot:
        return "measured.bucket"
    day = fact.day or paris_day(str(fact.moment), dialect)
    return bucket(Period(name), day, fact.moment, dialect)


def _text(name: str, fact: Fact, dialect: str) -> str:
    """The SQL of a key as it is returned, with `{}` for the key: made once for each cell."""
    if name not in Period.__members__ or fact.is_snapshot:
        return "{}"
    return bucket_text(Period(name), dialect)


def _measured_sql(measure: Measure, fact: Fact) -> str:
    """The SQL that a measure is computed from."""
    if measure.of is None:
        return "1"
    if measure.function is Function.DISTINCT:
        return fact.company if measure.of == "COMPANY" else fact.keys[measure.of].sql
    return fact.values[measure.of].sql


def _aggregate(function: Function, index: int) -> str:
    value, place, answers = f"value{index}", f"place{index}", f"answers{index}"
    low, high = f"SUM({value})", "NULL"
    match function:
        case Function.COUNT:
            low = "COUNT(*)"
        case Function.DISTINCT:
            low = f"COUNT(DISTINCT {value})"
        case Function.MEDIAN:
            low = f"MAX(CASE WHEN {place} = ({answers} + 1) / 2 THEN {value} END)"
            high = f"MAX(CASE WHEN {place} = {answers} / 2 + 1 THEN {value} END)"
        case Function.P90:
            low = f"MAX(CASE WHEN {place} = (9 * {answers} + 9) / 10 THEN {value} END)"
    return (
        f"{low} AS low{index}, {high} AS high{index}, COUNT({value}) AS counted{index}, "
        f"COUNT(DISTINCT CASE WHEN {value} IS NOT NULL THEN company END) AS companies{index}"
    )


def _condition(query: AnalyticsQuery, fact: Fact, days: tuple[date, date]) -> tuple[str, list[Any]]:
    conditions, params = list[str](), list[Any]()
    if not fact.is_snapshot:
        column = fact.day or fact.moment
        conditions.append(f"{column} >= ? AND {column} < ?")
        params += days if fact.day else map(_start_of_day, days)
    for name, accepted in query.accepted.items():
        dimension = fact.dimensions[name]
        conditions.append(f"{dimension.sql} IN ({', '.join('?' * len(accepted)) or 'NULL'})")
        params += map(int, accepted) if dimension.is_number else accepted
    for name, limits in query.limits.items():
        value = fact.values[name]
        for operator, limit in ((">=", limits.gte), ("<", limits.lt)):
            if limit is not None:
                # A literal: databases compare integers with a number of any type, but not with a
                # parameter.
                conditions.append(f"{value.sql} {operator} {limit * value.divisor:f}")
    return " AND ".join(conditions) or "TRUE", params


def _start_of_day(day: date) -> datetime:
    """The beginning of a day in Paris, as a time."""
    return datetime.combine(day, time(), PARIS).astimezone(UTC)


def _with_range(fact: Fact, days: tuple[date, date]) -> tuple[str, list[Any]]:
    """The rows of a fact, with the range inserted where it is named."""
    rows, count = _RANGE.subn(r"\1 >= ? AND \1 < ?", fact.rows)
    return rows, [*days] * count


def _measured_days(
    query: AnalyticsQuery, fact: Fact, days: tuple[date, date], today: date, dialect: str
) -> tuple[str, list[Any]]:
    """The table of the days on which a snapshot is taken, with a comma after it."""
    if not fact.is_snapshot:
        return "", []
    cast = (
        "(?, ?, ?)"
        if dialect == "sqlite"
        else "(CAST(? AS TEXT), CAST(? AS DATE), CAST(? AS DATE))"
    )
    points = list(_points(next(iter(query.periods), None), days, today))
    if not points:
        empty = "SELECT NULL AS bucket, NULL AS first_day, NULL AS day WHERE FALSE"
        if dialect != "sqlite":
            empty = empty.replace("NULL AS bucket", "CAST(NULL AS TEXT) AS bucket")
            empty = empty.replace(
                "NULL AS first_day, NULL", "CAST(NULL AS DATE) AS first_day, CAST(NULL AS DATE)"
            )
        return f"measured AS ({empty}), ", []
    table = f"measured(bucket, first_day, day) AS (VALUES {', '.join([cast] * len(points))}), "
    return table, [value for point in points for value in point]


def _points(
    period: Period | None, days: tuple[date, date], today: date
) -> Iterator[tuple[str, date, date]]:
    """The key, the first day and the measured day of each bucket that has begun. It is measured on
    its last day, or today. Without a period, the whole range is one bucket.
    """
    since, until = days
    if period is None:
        if since <= today:
            yield "", since, min(until - timedelta(days=1), today)
        return
    for key in keys_of(period, since, until):
        first = date.fromisoformat(key)
        if first <= today:
            yield key, first, min(next_first_day(period, first) - timedelta(days=1), today)
