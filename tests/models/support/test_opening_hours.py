"""P5.6: opening hours, compared with a slow count of every minute or second."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.support.opening_hours import (
    MINUTES_PER_DAY,
    HolidayCalendar,
    OpeningHours,
    Week,
)

PARIS = ZoneInfo("Europe/Paris")
OFFICE: Week = (((9 * 60, 18 * 60),),) * 5 + ((), ())
ALWAYS: Week = (((0, MINUTES_PER_DAY),),) * 7
STANDARD = OpeningHours(PARIS, OFFICE, HolidayCalendar.FRANCE)
ROUND_THE_CLOCK = OpeningHours(PARIS, ALWAYS)
MINUTE = timedelta(minutes=1)
# Days near which clocks change, or that are public holidays, of several zones.
DAYS = (
    date(2026, 3, 28),
    date(2026, 9, 5),
    date(2026, 10, 24),
    date(2026, 12, 24),
    date(2027, 3, 26),
)
# Midnight doesn't exist on a day in Santiago, and Lord Howe's clocks change by half an hour.
ZONES = tuple(map(ZoneInfo, ("Europe/Paris", "America/Santiago", "Australia/Lord_Howe")))


def paris(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS).astimezone(UTC)


def is_open_slowly(hours: OpeningHours, at: datetime, holidays: set[date]) -> bool:
    """Whether an instant is open, computed from the definition."""
    local = at.astimezone(hours.zone)
    minute = local.hour * 60 + local.minute
    return (
        local.date() not in holidays
        and any(opens <= minute < closes for opens, closes in hours.week[local.weekday()])
        and not any(begin <= at < end for begin, end in hours.closures)
    )


@st.composite
def weeks(draw: st.DrawFn) -> Week:
    bounds = st.lists(st.integers(0, MINUTES_PER_DAY), max_size=4, unique=True).map(sorted)
    days = [draw(bounds) for _ in range(7)]
    return tuple(tuple(zip(day[::2], day[1::2], strict=False)) for day in days)


@st.composite
def cases(draw: st.DrawFn) -> tuple[OpeningHours, datetime]:
    """Opening hours, and an instant on a whole minute some days before something unusual."""
    zone, day = draw(st.sampled_from(ZONES)), draw(st.sampled_from(DAYS))
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    minutes = st.integers(0, 4 * MINUTES_PER_DAY)
    at = begin + draw(minutes) * MINUTE
    closures = tuple(
        (begin + since * MINUTE, begin + (since + length) * MINUTE)
        for since, length in draw(st.lists(st.tuples(minutes, minutes), max_size=3))
    )
    holidays = draw(st.sampled_from(HolidayCalendar))
    return OpeningHours(zone, draw(weeks()), holidays, closures), at


HOLIDAYS = {
    HolidayCalendar.NONE: set[date](),
    HolidayCalendar.FRANCE: {date(2026, 12, 25), date(2027, 1, 1), date(2027, 3, 29)},
}
HOLIDAYS[HolidayCalendar.ALSACE_MOSELLE] = HOLIDAYS[HolidayCalendar.FRANCE] | {
    date(2026, 12, 26),
    date(2027, 3, 26),
}


@given(cases(), st.integers(0, 5 * MINUTES_PER_DAY))
def test_p5_6_opening_hours_equal_a_count_of_every_minute(
    case: tuple[OpeningHours, datetime], minutes: int
) -> None:
    hours, begin = case
    instants = [begin + number * MINUTE for number in range(minutes)]
    is_open = [is_open_slowly(hours, at, HOLIDAYS[hours.holidays]) for at in instants]
    end = begin + minutes * MINUTE
    assert hours.time_between(begin, end) == sum(is_open) * MINUTE
    for at, expected in list(zip(instants, is_open, strict=True))[::97]:
        assert hours.is_open(at) == expected
    if any(is_open):
        assert hours.next_opening(begin) == instants[is_open.index(True)]
        last = len(is_open) - 1 - is_open[::-1].index(True)
        assert hours.add(begin, timedelta(minutes=sum(is_open))) == instants[last] + MINUTE
    if is_open[:1] == [True] and False in is_open:
        assert hours.next_closing(begin) == instants[is_open.index(False)]
    beginnings = [
        instants[number]
        for number in range(1, len(is_open))
        if is_open[number] and not is_open[number - 1]
    ]
    if beginnings:
        assert hours.next_beginning(begin) == beginnings[0]


@given(st.sampled_from(DAYS), st.integers(0, 2 * 86_400), st.integers(0, 3_600))
def test_p5_6_opening_hours_are_right_to_the_second(day: date, offset: int, length: int) -> None:
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=offset)
    hours = OpeningHours(PARIS, (((90, 150), (175, 200)),) * 7)  # of which some change the clocks
    is_open = [
        is_open_slowly(hours, begin + timedelta(seconds=number), set()) for number in range(length)
    ]
    end = begin + timedelta(seconds=length)
    assert hours.time_between(begin, end) == timedelta(seconds=sum(is_open))


def test_p5_6_nine_business_hours_pass_over_christmas() -> None:
    due_at = STANDARD.add(paris("2026-12-24T17:00"), timedelta(hours=9))
    assert due_at == paris("2026-12-28T17:00")
    assert STANDARD.time_between(paris("2026-12-24T17:00"), due_at) == timedelta(hours=9)


@pytest.mark.parametrize(("day", "length"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_p5_6_a_calendar_that_never_closes_loses_no_minute(day: str, length: int) -> None:
    midnight = paris(day)
    next_midnight = midnight + timedelta(hours=length)
    assert next_midnight.astimezone(PARIS).hour == 0
    assert ROUND_THE_CLOCK.time_between(midnight, next_midnight) == timedelta(hours=length)
    assert ROUND_THE_CLOCK.add(midnight, timedelta(days=500)) == midnight + timedelta(days=500)
    assert ROUND_THE_CLOCK.is_open(midnight + timedelta(hours=2))
    assert ROUND_THE_CLOCK.next_closing(midnight) is None
    assert ROUND_THE_CLOCK.next_beginning(midnight) is None


def test_p5_6_a_calendar_that_never_opens_says_so() -> None:
    closed = OpeningHours(PARIS, ((),) * 7)
    now = paris("2026-10-01T09:00")
    assert closed.next_opening(now) is None
    assert closed.next_closing(now) is None
    assert closed.next_beginning(now) is None
    assert closed.add(now, timedelta(seconds=1)) is None
    assert closed.time_between(now, now + timedelta(days=9)) == timedelta()


def test_p5_6_alsace_and_moselle_have_two_more_holidays() -> None:
    good_friday, saint_stephen = paris("2027-03-26T10:00"), paris("2025-12-26T10:00")
    alsace = OpeningHours(PARIS, OFFICE, HolidayCalendar.ALSACE_MOSELLE)
    for at in (good_friday, saint_stephen):
        assert STANDARD.is_open(at)
        assert not alsace.is_open(at)
