"""Opening hours: when people answer, and how much of the time between two instants counts.

An instant is open if the local time of its zone lies in the hours of its weekday, its day isn't a
public holiday, and no closure covers it. Everything else follows from that, also on the days on
which clocks change: an hour that happens twice counts twice, one that is skipped doesn't count, and
a calendar that is open all day loses no minute. All instants are in UTC.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from holidays import HolidayBase, country_holidays

Interval = tuple[datetime, datetime]  # from the first instant until before the second
DayHours = tuple[tuple[int, int], ...]  # minutes since midnight, in order, without overlaps
Week = tuple[DayHours, ...]  # from Monday on

MINUTES_PER_DAY = 24 * 60
# How far the next opening is searched: further than any closure that people plan.
HORIZON = timedelta(days=400)
_DAY = timedelta(days=1)
_NEVER: Interval = (datetime.max.replace(tzinfo=UTC),) * 2


class HolidayCalendar(StrEnum):
    """The public holidays on which a calendar is closed."""

    NONE = "NONE"
    FRANCE = "FRANCE"
    ALSACE_MOSELLE = "ALSACE_MOSELLE"


@dataclass(frozen=True)
class OpeningHours:
    """When a calendar is open."""

    zone: ZoneInfo
    week: Week
    holidays: HolidayCalendar = HolidayCalendar.NONE
    closures: tuple[Interval, ...] = ()

    def is_open(self, at: datetime) -> bool:
        """Whether an instant is open."""
        return any(self._open(at, at + timedelta.resolution))

    def next_opening(self, at: datetime) -> datetime | None:
        """The first open instant from this one on, which may be this one. None when there is none
        within HORIZON.
        """
        return next((begin for begin, _ in self._open(at, at + HORIZON)), None)

    def next_closing(self, at: datetime) -> datetime | None:
        """When the opening that includes an instant ends; when the instant is closed, the end of
        the next opening. None when there is none, or it doesn't end within HORIZON.
        """
        closing: datetime | None = None
        for begin, end in self._open(at, at + HORIZON):
            if closing not in (None, begin):
                return closing
            closing = end
        return None if closing == at + HORIZON else closing

    def next_beginning(self, at: datetime) -> datetime | None:
        """When the next opening after an instant begins. If the instant is open, it is the one
        after the current opening. None when none begins within HORIZON.
        """
        if not self.is_open(at):
            return self.next_opening(at)
        closing = self.next_closing(at)
        return closing and self.next_opening(closing)

    def add(self, at: datetime, duration: timedelta) -> datetime | None:
        """The instant at which this much open time has passed, None when the calendar doesn't open
        long enough. Adding nothing gives the next opening.

        The end of hours comes before the beginning of the next ones: 9:00 and nine hours are 18:00.
        """
        left = duration
        while True:
            before, until = left, at + HORIZON
            for begin, end in self._open(at, until):
                if left <= end - begin:
                    return begin + left
                left -= end - begin
            if left == before:
                return None
            at = until

    def time_between(self, begin: datetime, end: datetime) -> timedelta:
        """The open time between two instants, zero when the second isn't later."""
        return sum((until - since for since, until in self._open(begin, end)), timedelta())

    def _open(self, begin: datetime, end: datetime) -> Iterator[Interval]:
        """The open intervals between two instants, in order. Adjacent ones are possible."""
        return _without(self._hours(begin, end), sorted(self.closures))

    def _hours(self, begin: datetime, end: datetime) -> Iterator[Interval]:
        """The hours between two instants, without regard to closures."""
        midnight = datetime.combine(begin.date(), time(), UTC)
        while midnight < end:
            for since, until in _hours_of(self.zone, self.week, self.holidays, midnight):
                if (since := max(since, begin)) < (until := min(until, end)):
                    yield since, until
            midnight += _DAY


@lru_cache(maxsize=4_096)
def _hours_of(
    zone: ZoneInfo, week: Week, holidays: HolidayCalendar, midnight: datetime
) -> tuple[Interval, ...]:
    """The opening hours during a day of UTC."""
    return tuple(
        interval
        for begin, end in _parts_of_one_offset(zone, midnight)
        for interval in _local_hours(_offset(zone, begin), week, holidays, (begin, end))
    )


def _local_hours(
    offset: timedelta, week: Week, holidays: HolidayCalendar, part: Interval
) -> Iterator[Interval]:
    """The opening hours during a part of a day that has a single UTC offset."""
    first_day, last_day = ((instant + offset).date() for instant in part)
    for day in sorted({first_day, last_day}):
        midnight = datetime.combine(day, time(), UTC) - offset
        for opens, closes in () if _is_holiday(holidays, day) else week[day.weekday()]:
            since = max(part[0], midnight + timedelta(minutes=opens))
            until = min(part[1], midnight + timedelta(minutes=closes))
            if since < until:
                yield since, until


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def _parts_of_one_offset(zone: ZoneInfo, midnight: datetime) -> Iterable[Interval]:
    """A day of UTC, split in two where the zone changes its clocks."""
    next_midnight = midnight + _DAY
    if _offset(zone, midnight) == _offset(zone, next_midnight):
        return [(midnight, next_midnight)]
    seconds = [0, 24 * 3_600]
    while seconds[1] - seconds[0] > 1:
        middle = sum(seconds) // 2
        is_before = _offset(zone, midnight + timedelta(seconds=middle)) == _offset(zone, midnight)
        seconds[0 if is_before else 1] = middle
    return pairwise([midnight, midnight + timedelta(seconds=seconds[1]), next_midnight])


def _without(intervals: Iterable[Interval], closures: Sequence[Interval]) -> Iterator[Interval]:
    """The parts of intervals that none of the closures covers. Both are given in order."""
    for begin, end in intervals:
        for closes, reopens in (*closures, _NEVER):
            if begin < (until := min(end, closes)):
                yield begin, until
            if (begin := max(begin, reopens)) >= end:
                break


@lru_cache(maxsize=4)
def _french_holidays(holidays: HolidayCalendar) -> HolidayBase:
    # The two departments of Alsace and that of the Moselle have the same holidays.
    subdivision = "6AE" if holidays is HolidayCalendar.ALSACE_MOSELLE else None
    return country_holidays("FR", subdiv=subdivision)


def _is_holiday(holidays: HolidayCalendar, day: date) -> bool:
    return holidays is not HolidayCalendar.NONE and day in _french_holidays(holidays)
