"""The coming periods of a purchase, with the change that is scheduled."""

from copy import copy
from datetime import date

from billing.changes.terms import apply_terms
from models.billing.offer import Price
from models.billing.periods import Period
from models.billing.purchase import Purchase, PurchaseStatus
from models.billing.purchase_change import PurchaseChange, PurchaseChangeKind


def coming_periods(
    purchase: Purchase,
    price: Price,
    today: date,
    count: int,
    *,
    short_start: date | None = None,
    change: PurchaseChange | None = None,
) -> list[Period]:
    """Return `count` periods of a purchase of this price, starting with the current one: none
    before activation and after the end, those after a trial or a pause, and only the current one
    before a pause or when the purchase is canceled.
    `short_start` is the first day of the current period when it is a short one. The price of the
    scheduled change has to be fetched.
    """
    if purchase.anchor is None or purchase.ended_on:
        return []
    coming = copy(purchase)
    periods = []
    if purchase.status is PurchaseStatus.PAUSED:
        if purchase.resumes_on is None:
            return []
        coming.resume(purchase.resumes_on)
    elif purchase.status is not PurchaseStatus.TRIALING:
        current = _current_period(purchase, price.interval.months, today, short_start)
        periods.append(current)
        coming.next_period_index, coming.bills_on = current.index + 1, current.end
    is_pause = change and change.kind is PurchaseChangeKind.PAUSE
    if is_pause or purchase.cancel_at_period_end:
        return periods
    if change:
        price = apply_terms(coming, change, price, change.price)
    while len(periods) < count:
        periods.append(coming.next_period(price.interval.months))
        coming.move_to_next_period(price.interval.months)
    return periods


def _current_period(
    purchase: Purchase, months: int, today: date, short_start: date | None
) -> Period:
    schedule = purchase.schedule(months)
    whole_start = schedule.start(purchase.base_index)
    if today < whole_start and short_start:
        return Period(purchase.base_index - 1, short_start, whole_start)
    return schedule.period_at(max(today, whole_start))
