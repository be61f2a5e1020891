"""What a company would pay for a price today, before anything is stored."""

from dataclasses import dataclass
from datetime import date, timedelta

from billing.quotes import Item, Quote, quote
from billing.seller import Seller
from billing.tax import buyer_of
from billing.trials import has_tried
from models.accounts.account import Account
from models.action import Action
from models.billing.offer import Price
from models.billing.promotion import Promotion
from models.locale import Locale


@dataclass(frozen=True)
class TrialQuote:
    """The trial with which a purchase would start. `first` is the period that is billed when it
    ends.
    """

    ends_on: date
    requires_payment_method: bool
    first: Quote


@dataclass(frozen=True)
class NewPurchaseQuote:
    """The first period of a purchase that is paid today. `undiscounted` is the same without its
    promotion, None when it has none, and `trial` is None when the company has already tried the
    offer.
    """

    first: Quote
    undiscounted: Quote | None
    trial: TrialQuote | None


async def quote_purchase(
    action: Action,
    seller: Seller,
    account: Account,
    price: Price,
    quantity: int,
    promotion: Promotion | None,
    locale: Locale,
) -> NewPurchaseQuote:
    """Quote a purchase of a price on sale, whose `offer` has to be fetched. Raises the reason when
    the company can't redeem the promotion or can't buy (`billing.quotes.quote`).
    """
    if promotion:
        await promotion.require_applicable(
            None, price, quantity, account, action.at, "promotionCode"
        )
    buyer = await buyer_of(account)

    async def first_period(day: date, promotion: Promotion | None) -> Quote:
        item = Item(price, quantity, promotion)
        return await quote(None, seller, item, buyer, day, locale=locale)

    trial = None
    if price.trial_days and not await has_tried(account, price.offer_id):
        ends_on = action.day + timedelta(days=price.trial_days)
        first = await first_period(ends_on, promotion)
        trial = TrialQuote(ends_on, price.trial_requires_payment_method, first)
    return NewPurchaseQuote(
        first=await first_period(action.day, promotion),
        undiscounted=await first_period(action.day, None) if promotion else None,
        trial=trial,
    )
