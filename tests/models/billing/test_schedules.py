"""P3.6: the periods of a purchase tile time, whatever changes."""

from calendar import monthrange
from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from billing.changes.terms import apply_terms
from models.billing.offer import Interval, Price
from models.billing.periods import Period, Schedule, period
from models.billing.purchase import Purchase
from models.billing.purchase_change import PurchaseChange, PurchaseChangeKind

anchors = st.dates(date(2000, 1, 1), date(2099, 12, 31))
# An interval to change to, a share of the next period after which the billing day is, or a pause.
changes = st.one_of(
    st.sampled_from([1, 3, 12]),
    st.floats(0.01, 0.99),
    st.timedeltas(timedelta(0), timedelta(days=500)),
    st.none(),
)


def active(anchor: date, months: int) -> Purchase:
    purchase = Purchase(anchor=anchor, next_period_index=0, bills_on=anchor)
    purchase.move_to_next_period(months)
    return purchase


@given(anchors, st.sampled_from([1, 3, 12]), st.lists(changes, max_size=20))
def test_p3_6_periods_tile_time_over_any_sequence_of_changes(
    anchor: date, months: int, sequence: list[int | float | timedelta | None]
) -> None:
    purchase = active(anchor, months)
    periods = [period(anchor, months, 0)]
    breaks = set()
    for change in sequence:
        following = purchase.next_period(months)
        match change:
            case int():
                purchase.change_interval(months)
                months = change
            case float():
                days = int((following.end - following.start).days * change)
                if days:
                    purchase.change_anchor(following.start + timedelta(days=days))
            case timedelta():
                breaks.add(following.index)
                purchase.resume(following.start + change)
        billed = purchase.next_period(months)
        purchase.move_to_next_period(months)
        periods.append(billed)
    assert [each.index for each in periods] == list(range(len(periods)))
    for former, following in pairwise(periods):
        assert former.start < former.end
        if following.index in breaks:
            assert former.end <= following.start
        else:
            assert former.end == following.start


@given(anchors, st.lists(st.sampled_from([1, 3, 12]), max_size=20))
def test_p3_6_the_anchors_day_survives_changes_of_the_interval(
    anchor: date, intervals: list[int]
) -> None:
    months = 1
    purchase = active(anchor, months)
    for interval in intervals:
        purchase.change_interval(months)
        months = interval
        billed = purchase.next_period(months)
        purchase.move_to_next_period(months)
        last_day = monthrange(billed.end.year, billed.end.month)[1]
        assert billed.end.day == min(anchor.day, last_day)


def test_a_yearly_purchase_of_the_31st_that_becomes_monthly_on_28_february() -> None:
    schedule = Schedule(date(2027, 1, 31), 12, base_index=1, base_months=1)
    assert schedule.period(1) == Period(1, date(2027, 2, 28), date(2028, 2, 29))
    monthly = Schedule(date(2027, 1, 31), 1, base_index=2, base_months=schedule.months_until(2))
    assert [monthly.start(index) for index in (2, 3, 4)] == [
        date(2028, 2, 29),
        date(2028, 3, 31),
        date(2028, 4, 30),
    ]


@given(
    anchors,
    st.sampled_from([1, 3, 12]),
    st.integers(0, 30),
    st.integers(0, 30),
    st.integers(0, 4000),
)
def test_a_schedule_finds_the_period_of_any_day(
    anchor: date, months: int, base_index: int, base_months: int, days: int
) -> None:
    schedule = Schedule(anchor, months, base_index, base_months)
    day = schedule.start(base_index) + timedelta(days=days)
    found = schedule.period_at(day)
    assert found.start <= day < found.end
    assert found == schedule.period(found.index)


def test_a_billing_day_that_a_suspension_skipped_moves_by_whole_months() -> None:
    purchase = active(date(2027, 1, 31), 1)
    purchase.skip_past_periods(1, date(2027, 5, 10))
    assert (purchase.next_period_index, purchase.bills_on) == (3, date(2027, 4, 30))
    price = Price(interval=Interval.MONTH)
    change = PurchaseChange(kind=PurchaseChangeKind.ANCHOR, anchor=date(2027, 3, 15))
    assert apply_terms(purchase, change, price, None) is price
    assert purchase.next_period(1) == Period(3, date(2027, 4, 30), date(2027, 5, 15), 30)
