"""Periods have no gaps or overlaps, and are counted from the anchor."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.billing.periods import months_after, period, period_at
from models.clock import PARIS, local_date

anchors = st.dates(date(2000, 1, 1), date(2100, 12, 31))
intervals = st.sampled_from([1, 3, 12])
indexes = st.integers(0, 240)


def test_an_anchor_on_the_31st_is_kept_after_shorter_months() -> None:
    starts = [period(date(2027, 1, 31), 1, index).start for index in range(14)]
    assert [f"{day:%d.%m.%Y}" for day in starts] == [
        "31.01.2027",
        "28.02.2027",
        "31.03.2027",
        "30.04.2027",
        "31.05.2027",
        "30.06.2027",
        "31.07.2027",
        "31.08.2027",
        "30.09.2027",
        "31.10.2027",
        "30.11.2027",
        "31.12.2027",
        "31.01.2028",
        "29.02.2028",
    ]


def test_a_leap_day_renews_yearly() -> None:
    starts = [period(date(2028, 2, 29), 12, index).start for index in range(5)]
    assert starts == [
        date(2028, 2, 29),
        date(2029, 2, 28),
        date(2030, 2, 28),
        date(2031, 2, 28),
        date(2032, 2, 29),
    ]


@given(anchors, intervals, indexes)
def test_each_period_starts_when_the_previous_one_ends(
    anchor: date, months: int, index: int
) -> None:
    current, next_period = period(anchor, months, index), period(anchor, months, index + 1)
    assert current.start < current.end == next_period.start


@given(anchors, intervals, indexes)
def test_periods_start_on_the_anchors_day_or_the_last_of_the_month(
    anchor: date, months: int, index: int
) -> None:
    start = period(anchor, months, index).start
    assert (start.year - anchor.year) * 12 + start.month - anchor.month == months * index
    assert start.day == anchor.day or (
        start.day < anchor.day and (start + timedelta(1)).month != start.month
    )


@given(anchors, intervals, st.integers(0, 20_000))
def test_every_day_lies_in_exactly_one_period(anchor: date, months: int, days: int) -> None:
    day = anchor + timedelta(days)
    enclosing_period = period_at(anchor, months, day)
    assert enclosing_period == period(anchor, months, enclosing_period.index)
    assert enclosing_period.start <= day < enclosing_period.end


@given(anchors, intervals, st.integers(1, 1_000))
def test_there_is_no_period_before_the_anchor(anchor: date, months: int, days: int) -> None:
    with pytest.raises(ValueError, match="before the anchor"):
        period_at(anchor, months, anchor - timedelta(days))


@given(anchors)
def test_zero_months_later_is_the_same_day(anchor: date) -> None:
    assert months_after(anchor, 0) == anchor


@pytest.mark.parametrize("months", [1, 3, 12])
def test_p3_6_periods_tile_48_months_from_every_day_of_the_month(months: int) -> None:
    """Each day of four years, with their leap day, lies in exactly one period of each anchor."""
    for first_day in (date(2027, 1, 1), date(2027, 12, 1), date(2028, 1, 1)):
        for day in range(first_day.day, 32):
            anchor = first_day.replace(day=day)
            periods = [period(anchor, months, index) for index in range(48 // months)]
            days = [
                each.start + timedelta(number)
                for each in periods
                for number in range((each.end - each.start).days)
            ]
            end = periods[-1].end
            assert days == [anchor + timedelta(number) for number in range((end - anchor).days)]
            assert (end.year - anchor.year) * 12 + end.month - anchor.month == 48


@pytest.mark.parametrize(("change", "hours"), [(date(2027, 3, 28), 23), (date(2027, 10, 31), 25)])
def test_p3_6_a_period_begins_at_midnight_in_paris_when_the_clocks_change(
    change: date, hours: int
) -> None:
    """The day of the change has 23 or 25 hours, all of the period that begins on it."""
    start = datetime.combine(change, time(), PARIS).astimezone(UTC)
    anchor = months_after(change, -1)
    if months_after(anchor, 1) != change:
        anchor = change
    for hour in range(hours):
        day = local_date(start + timedelta(hours=hour))
        assert day == change
        assert period_at(anchor, 1, day).start == change
    before = local_date(start - timedelta(seconds=1))
    after = local_date(start + timedelta(hours=hours))
    assert (before, after) == (change - timedelta(1), change + timedelta(1))
