"""What a purchase costs: one function calculates both the quote that a customer sees and the
invoice, so that they are equal to the cent.
"""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from babel.numbers import format_percent
from tortoise.backends.base.client import BaseDBAsyncClient

from billing.invoicing import DraftLine
from billing.promotions import current_promotion
from billing.proration import prorated_cents
from billing.seller import Seller
from billing.tax import decide_tax
from models.billing.billing_period import BillingItemKind
from models.billing.money import Money, Totals, totals
from models.billing.offer import Interval, Price
from models.billing.periods import Period, Schedule
from models.billing.promotion import Promotion
from models.billing.purchase import Purchase
from models.billing.tax import TaxableBuyer, TaxDecision, is_pending, tax_point
from models.locale import Locale
from models.translations import _, text

_UPCOMING_DATES = 3
_DISCOUNT = _("Discount with the code %(code)s")
_SHARE = _("%(share)s off")
_INTERVALS = {
    Interval.MONTH: _("Monthly subscription"),
    Interval.YEAR: _("Yearly subscription"),
}


@dataclass(frozen=True, kw_only=True)
class Quote:
    """The lines of a purchase's first or any other period, their totals, and the days on which the
    next periods are billed.
    """

    lines: tuple[DraftLine, ...]
    totals: Totals
    tax: TaxDecision
    is_vat_number_pending: bool = False
    period: Period
    next_dates: tuple[date, ...]


@dataclass(frozen=True)
class Item:
    """What is quoted: a quantity of a price, with a promotion if there is one. `price.offer` has to
    be fetched.
    """

    price: Price
    quantity: int = 1
    promotion: Promotion | None = None


class DuePeriod(NamedTuple):
    """A period that is billed, and the schedule it belongs to."""

    schedule: Schedule
    period: Period


async def quote(
    db: BaseDBAsyncClient | None,
    seller: Seller,
    item: Item,
    buyer: TaxableBuyer,
    on: date,
    *,
    due: DuePeriod | None = None,
    locale: Locale = Locale.FR,
) -> Quote:
    """What a period of an item costs when it is billed on a day: the first one, which starts on
    that day, unless another one is `due`. Raises VAT_NUMBER_REQUIRED or VAT_NUMBER_PENDING for a
    buyer whom the seller refuses.
    """
    price, promotion, months = item.price, item.promotion, item.price.interval.months
    is_renewal = due is not None
    if due is None:
        schedule = Schedule(on, months)
        due = DuePeriod(schedule, schedule.period(0))
    schedule, billed = due
    day = tax_point(billed.start, billed.end, on)
    # What has a schedule was bought before: a first period after a trial is a renewal, too.
    tax = await decide_tax(db, seller, buyer, price.tax_category, day, is_renewal=is_renewal)
    line = DraftLine(
        label=price.offer.text(locale)["name"],
        description=designation(price, locale),
        unit_net_cents=prorated_cents(price.net_cents, billed, billed.start),
        quantity=item.quantity,
        unit="C62" if billed.whole_days else "MON" if months == 1 else "ANN",
        vat_basis_points=tax.rate_basis_points,
        tax_category=price.tax_category,
        starts_on=billed.start,
        ends_on=billed.end,
        data={"price": price.pk, "promotion": promotion.pk if promotion else None},
    )
    lines = (line, *_discount(line, promotion, locale))
    return Quote(
        lines=lines,
        totals=totals(map(DraftLine.printed, lines)),
        tax=tax,
        is_vat_number_pending=is_pending(buyer),
        period=billed,
        next_dates=upcoming(schedule, billed.index),
    )


async def quote_next_period(
    db: BaseDBAsyncClient | None,
    seller: Seller,
    purchase: Purchase,
    price: Price,
    buyer: TaxableBuyer,
    locale: Locale = Locale.FR,
) -> Quote:
    """What the next period of a purchase costs: for its renewal and for a preview."""
    months = price.interval.months
    billed = purchase.next_period(months)
    promotion = await current_promotion(db, purchase, price)
    return await quote(
        db,
        seller,
        Item(price, purchase.quantity, promotion),
        buyer,
        billed.start,
        due=DuePeriod(purchase.schedule(months), billed),
        locale=locale,
    )


def upcoming(schedule: Schedule, index: int) -> tuple[date, ...]:
    """The days on which the periods after this one are billed."""
    return tuple(schedule.start(index + n) for n in range(1, _UPCOMING_DATES + 1))


def _discount(
    line: DraftLine, promotion: Promotion | None, locale: Locale
) -> tuple[DraftLine, ...]:
    """The line that takes a promotion off a line, at its VAT rate: a negative quantity, because a
    unit price is never negative (EN 16931 BR-27).
    """
    cents = promotion.discount_cents(line.printed().net_cents) if promotion else 0
    if promotion is None or not cents:
        return ()
    return (discount_line(line, promotion, cents, -1, locale),)


def discount_line(
    line: DraftLine, promotion: Promotion, cents: int, quantity: int, locale: Locale
) -> DraftLine:
    """A line about a discount on another line: a quantity of -1 takes it off, a quantity of 1
    charges it again.
    """
    if promotion.basis_points is None:
        share = Money(promotion.amount_cents or 0).formatted(locale.value)
    else:
        share = format_percent(
            Decimal(promotion.basis_points).scaleb(-4),
            locale=locale.value,
            decimal_quantization=False,
        )
    return replace(
        line,
        label=text(_DISCOUNT, locale, code=promotion.code),
        description=text(_SHARE, locale, share=share),
        unit_net_cents=cents,
        quantity=quantity,
        unit="C62",
        kind=BillingItemKind.DISCOUNT,
        description_key="promotion",
        data={"promotion": promotion.pk, "price": line.data["price"]},
    )


def designation(price: Price, locale: Locale) -> str:
    """What is supplied, precisely enough for an invoice (CGI, annexe II, art. 242 nonies A): the
    interval and what the offer contains.
    """
    interval = text(_INTERVALS[price.interval], locale)
    return " · ".join([interval, *price.offer.text(locale)["features"]])
