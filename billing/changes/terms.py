"""What a change does to its purchase: used by the billing run and for previews."""

from models.billing.offer import Price
from models.billing.periods import months_after
from models.billing.purchase import Purchase
from models.billing.purchase_change import PurchaseChange


def apply_terms(
    purchase: Purchase, change: PurchaseChange, price: Price, new_price: Price | None
) -> Price:
    """Apply a change's price, quantity or anchor to a purchase of this price, from its next period
    on. Returns the price from then on. Periods that a suspension skipped move a chosen anchor by as
    many months.
    """
    assert purchase.bills_on is not None, "the purchase renews"  # noqa: S101
    if change.anchor:
        months = 0
        while (anchor := months_after(change.anchor, months)) <= purchase.bills_on:
            months += 1
        purchase.change_anchor(anchor)
    purchase.quantity = change.quantity or purchase.quantity
    if new_price is None:
        return price
    if new_price.interval is not price.interval:
        purchase.change_interval(price.interval.months)
    purchase.price_id = new_price.pk
    return new_price
