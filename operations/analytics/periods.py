"""Hours, days, weeks, months and quarters in Europe/Paris: in SQL, with the same results on both
databases, and as the complete series of a range.

Hours are instants in UTC: the last Sunday of October has 25 of them. All other buckets are those of
the calendar in Paris.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from models.clock import PARIS


class Period(StrEnum):
    """A dimension of time."""

    HOUR = "HOUR"
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    QUARTER = "QUARTER"
    YEAR = "YEAR"
    WEEKDAY = "WEEKDAY"
    HOUR_OF_DAY = "HOUR_OF_DAY"


SERIES = (Period.DAY, Period.WEEK, Period.MONTH, Period.QUARTER, Period.YEAR)  # of whole days


def paris_time(column: str, dialect: str) -> str:
    """The SQL of the time in Paris of a column in UTC. SQLite has no time zones: summer time is
    from the last Sunday of March to the last one of October, at 1:00 in UTC, in the whole European
    Union since 1996 (directive 2000/84/EC).
    """
    if dialect != "sqlite":
        return f"({column} AT TIME ZONE 'Europe/Paris')"
    column = _whole_seconds(column)
    begin, end = (
        f"date(strftime('%Y', {column}) || '-{month}-31', '-6 days', 'weekday 0') || ' 01:00:00'"
        for month in ("03", "10")
    )
    return (
        f"datetime({column}, CASE WHEN datetime({column}) >= {begin} "
        f"AND datetime({column}) < {end} THEN '+2 hours' ELSE '+1 hours' END)"
    )


def _whole_seconds(column: str) -> str:
    """The SQL of a time without the fraction of its second, which SQLite would round."""
    return f"substr({column}, 1, 19)"


def paris_day(column: str, dialect: str) -> str:
    """The SQL of the day in Paris of a column in UTC."""
    local = paris_time(column, dialect)
    return f"date({local})" if dialect == "sqlite" else f"CAST({local} AS DATE)"


def seconds_between(begin: str, end: str, dialect: str) -> str:
    """The SQL of the whole seconds between two times."""
    if dialect == "sqlite":
        begin, end = _whole_seconds(begin), _whole_seconds(end)
        return (
            f"(CAST(strftime('%s', {end}) AS INTEGER) - CAST(strftime('%s', {begin}) AS INTEGER))"
        )
    return f"CAST(FLOOR(EXTRACT(EPOCH FROM {end})) - FLOOR(EXTRACT(EPOCH FROM {begin})) AS BIGINT)"


def days_between(begin: str, end: str, dialect: str) -> str:
    """The SQL of the days between two days."""
    if dialect == "sqlite":
        return f"CAST(julianday({end}) - julianday({begin}) AS INTEGER)"
    return f"(CAST({end} AS DATE) - CAST({begin} AS DATE))"


def bucket(period: Period, day: str, moment: str | None, dialect: str) -> str:
    """The SQL of a period's key: what `bucket_text` makes an ISO text of, and numbers for weekdays
    (1 is Monday) and hours of the day. `moment` is the time in UTC, for facts that have one.
    """
    make = _SQLITE if dialect == "sqlite" else _POSTGRES
    if period is Period.HOUR:
        return make[period](str(moment))
    return make[period](paris_time(str(moment), dialect) if period is Period.HOUR_OF_DAY else day)


_SQLITE: dict[Period, Callable[[str], str]] = {
    Period.HOUR: lambda at: f"strftime('%Y-%m-%dT%H:00:00Z', {_whole_seconds(at)})",
    Period.DAY: lambda day: f"date({day})",
    Period.WEEK: lambda day: f"date({day}, '-6 days', 'weekday 1')",
    Period.MONTH: lambda day: f"strftime('%Y-%m-01', {day})",
    Period.QUARTER: lambda day: (
        f"strftime('%Y-', {day}) || "
        f"printf('%02d-01', (CAST(strftime('%m', {day}) AS INTEGER) - 1) / 3 * 3 + 1)"
    ),
    Period.YEAR: lambda day: f"strftime('%Y-01-01', {day})",
    Period.WEEKDAY: lambda day: f"(CAST(strftime('%w', {day}) AS INTEGER) + 6) % 7 + 1",
    Period.HOUR_OF_DAY: lambda local: f"CAST(strftime('%H', {local}) AS INTEGER)",
}


def bucket_text(period: Period, dialect: str) -> str:
    """The SQL that makes the text of a period's key, with `{}` for the key. PostgreSQL takes longer
    to make a text than to read a row, so keys become texts after they were grouped.
    """
    if dialect == "sqlite" or period in (Period.WEEKDAY, Period.HOUR_OF_DAY):
        return "{}"
    pattern = 'YYYY-MM-DD"T"HH24:00:00"Z"' if period is Period.HOUR else "YYYY-MM-DD"
    return f"to_char({{}}, '{pattern}')"


def _truncated(unit: str) -> Callable[[str], str]:
    return lambda day: f"date_trunc('{unit}', CAST({day} AS TIMESTAMP))"


_POSTGRES: dict[Period, Callable[[str], str]] = {
    Period.HOUR: lambda at: f"date_trunc('hour', {at} AT TIME ZONE 'UTC')",
    Period.DAY: lambda day: f"CAST({day} AS TIMESTAMP)",
    Period.WEEK: _truncated("week"),
    Period.MONTH: _truncated("month"),
    Period.QUARTER: _truncated("quarter"),
    Period.YEAR: _truncated("year"),
    Period.WEEKDAY: lambda day: f"CAST(EXTRACT(ISODOW FROM CAST({day} AS DATE)) AS INTEGER)",
    Period.HOUR_OF_DAY: lambda local: f"CAST(EXTRACT(HOUR FROM {local}) AS INTEGER)",
}


def keys_of(period: Period, since: date, until: date) -> list[str]:
    """The keys of all buckets of a range of days, in order. `until` isn't part of it."""
    if period is Period.WEEKDAY:
        return [str(number) for number in range(1, 8)]
    if period is Period.HOUR_OF_DAY:
        return [str(number) for number in range(24)]
    if period is Period.HOUR:
        return _hours(since, until)
    keys, first = [], first_day(period, since)
    while first < until:
        keys.append(first.isoformat())
        first = next_first_day(period, first)
    return keys


def _hours(since: date, until: date) -> list[str]:
    at, end = (datetime.combine(day, time(), PARIS).astimezone(UTC) for day in (since, until))
    keys = []
    while at < end:
        keys.append(at.strftime("%Y-%m-%dT%H:00:00Z"))
        at += timedelta(hours=1)
    return keys


def first_day(period: Period, day: date) -> date:
    """The first day of the bucket that contains a day."""
    match period:
        case Period.WEEK:
            return day - timedelta(days=day.weekday())
        case Period.MONTH:
            return day.replace(day=1)
        case Period.QUARTER:
            return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case Period.YEAR:
            return day.replace(month=1, day=1)
    return day


def next_first_day(period: Period, first: date) -> date:
    """The first day of the following bucket."""
    days = {Period.WEEK: 7, Period.MONTH: 31, Period.QUARTER: 93, Period.YEAR: 366}
    return first_day(period, first + timedelta(days=days.get(period, 1)))


def months_before(day: date, months: int) -> date:
    """The same day some months earlier, or the last one of that month."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    following = next_first_day(Period.MONTH, date(year, month + 1, 1))
    return min(
        date(year, month + 1, 1) + timedelta(days=day.day - 1), following - timedelta(days=1)
    )


def range_before(since: date, until: date) -> tuple[date, date]:
    """The range of the same length that ends where a range begins: as many months for whole months,
    otherwise as many days.
    """
    if since.day == until.day == 1:
        months = (until.year - since.year) * 12 + until.month - since.month
        return months_before(since, months), since
    return since - (until - since), since
