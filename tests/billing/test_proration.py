"""A change during a paid period credits and charges the days that are left."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.proration import proportional_cents, prorate, prorated_cents
from models.billing.periods import Period, period

MARCH = Period(1, date(2027, 2, 28), date(2027, 3, 31))


def test_the_example_of_the_handbook() -> None:
    proration = prorate(MARCH, date(2027, 3, 10), 2900, 7900)
    assert (proration.credit_cents, proration.charge_cents) == (1965, 5352)
    assert proration.net_cents == 3387
    assert (proration.start, proration.end) == (date(2027, 3, 10), date(2027, 3, 31))


@pytest.mark.parametrize("day", [date(2027, 2, 27), date(2027, 3, 31)])
def test_a_day_outside_of_the_period_is_an_error(day: date) -> None:
    with pytest.raises(ValueError, match="not in the period"):
        prorate(MARCH, day, 2900, 7900)


@given(
    anchor=st.dates(date(2026, 1, 1), date(2030, 12, 31)),
    months=st.sampled_from((1, 12)),
    index=st.integers(0, 48),
    days=st.integers(0, 400),
    cents=st.integers(0, 10_000_000),
)
def test_a_share_is_whole_on_the_first_day_and_falls_day_by_day(
    anchor: date, months: int, index: int, days: int, cents: int
) -> None:
    whole = period(anchor, months, index)
    day = whole.start + timedelta(days=days % (whole.end - whole.start).days)
    assert prorated_cents(cents, whole, whole.start) == cents
    assert prorated_cents(cents, whole, whole.end) == 0
    assert 0 <= prorated_cents(cents, whole, day) <= cents
    unchanged = prorate(whole, day, cents, cents)
    assert unchanged.net_cents == 0


@given(
    unit=st.integers(1, 1_000_000_000),
    quantity=st.integers(1, 1_000),
    days=st.integers(0, 366),
    share=st.integers(0, 10_000),
)
def test_a_discount_is_never_more_than_the_days_that_it_is_for(
    unit: int, quantity: int, days: int, share: int
) -> None:
    year = Period(0, date(2028, 1, 1), date(2029, 1, 1))
    part = quantity * prorated_cents(unit, year, date(2029, 1, 1) - timedelta(days=days))
    whole = unit * quantity
    assert proportional_cents(whole, part, whole) == part  # what is free stays free
    discount = whole * share // 10_000
    assert 0 <= proportional_cents(discount, part, whole) <= part
    assert proportional_cents(discount, whole, whole) == discount
