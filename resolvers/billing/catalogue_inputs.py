"""Inputs of the mutations by which operators manage the catalogue."""

from datetime import date

import strawberry

from models.billing.offer import Interval, Segment
from models.billing.tax_rule import TaxCategory
from resolvers.arguments import IDEMPOTENCY_KEY
from resolvers.scalars import BigInt

MAX_TRIAL_DAYS = 365

_OFFER_ID = "The ID of an offer."
_DAY = (
    "The day, in Europe/Paris, at most two years ahead. When omitted, today with immediate effect."
)


@strawberry.input(description="The texts of an offer in one language.")
class OfferTextsInput:
    name: str = strawberry.field(
        description="The name, at most 100 characters, which is printed on invoices."
    )
    description: str = strawberry.field(
        description="A description of a few sentences, at most 2,000 characters."
    )
    features: list[str] = strawberry.field(
        description="What the offer includes: at most 20 lines of 200 characters, which are "
        "printed on invoices."
    )
    advantages: list[str] = strawberry.field(
        description="The reasons to choose the offer: at most 20 lines of 200 characters."
    )


@strawberry.input(description="The offer to draft.")
class OfferCreateInput:
    slug: str = strawberry.field(
        description="The identifier used in URLs: lowercase letters, digits and hyphens, at most "
        "60. It can't be changed."
    )
    segment: Segment = strawberry.field(description="The size of business that the offer is for.")
    fr: OfferTextsInput = strawberry.field(description="The texts in French.")
    en: OfferTextsInput = strawberry.field(description="The texts in English.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The offer to change. Omitted fields keep their values.")
class OfferUpdateInput:
    offer_id: strawberry.ID = strawberry.field(description=_OFFER_ID)
    segment: Segment | None = strawberry.field(
        default=None, description="The size of business that the offer is for."
    )
    fr: OfferTextsInput | None = strawberry.field(default=None, description="All texts in French.")
    en: OfferTextsInput | None = strawberry.field(default=None, description="All texts in English.")


@strawberry.input(description="The offer to put on sale.")
class OfferPublishInput:
    offer_id: strawberry.ID = strawberry.field(description=_OFFER_ID)
    on: date | None = strawberry.field(default=None, description=_DAY)


@strawberry.input(description="The offer to withdraw from sale.")
class OfferWithdrawInput:
    offer_id: strawberry.ID = strawberry.field(description=_OFFER_ID)
    on: date | None = strawberry.field(default=None, description=_DAY)


@strawberry.input(description="The order of the catalogue.")
class OfferReorderInput:
    offer_ids: list[strawberry.ID] = strawberry.field(
        description="The IDs of the offers that come first, in this order, at most 100, each once. "
        "All others follow in their former order."
    )


@strawberry.input(description="The version of a price to add.")
class PriceCreateInput:
    offer_id: strawberry.ID = strawberry.field(description=_OFFER_ID)
    interval: Interval = strawberry.field(description="The interval at which the price is charged.")
    net_cents: BigInt = strawberry.field(
        description="The price of one unit for one interval, excluding VAT, in cents: 1 to "
        "1,000,000,000."
    )
    tax_category: TaxCategory = strawberry.field(
        default=TaxCategory.STANDARD, description="The category that determines the VAT rate."
    )
    trial_days: int = strawberry.field(
        default=0,
        description="The days for which a company can try the offer free of charge, at most 365.",
    )
    trial_requires_payment_method: bool = strawberry.field(
        default=True, description="Whether a trial starts only with a saved payment method."
    )
    valid_from: date | None = strawberry.field(
        default=None,
        description=(
            "The day on which the version goes on sale and ends the former one, in Europe/Paris, "
            "at most two years ahead. When omitted, today with immediate effect."
        ),
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The version of a price to stop selling.")
class PriceEndInput:
    price_id: strawberry.ID = strawberry.field(
        description="The ID of the last version of the price of an interval."
    )
    on: date | None = strawberry.field(default=None, description=_DAY)


@strawberry.input(description="The version of a price to delete.")
class PriceDeleteInput:
    price_id: strawberry.ID = strawberry.field(
        description="The ID of a version that was never on sale."
    )


@strawberry.input(
    description="The promotion code to create. Exactly one of `percentBasisPoints` and "
    "`amountCents` is given."
)
class PromotionCreateInput:
    code: str = strawberry.field(
        description="The code: 4 to 40 letters, digits and hyphens. Stored in uppercase."
    )
    percent_basis_points: int | None = strawberry.field(
        default=None,
        description="The share that is taken off the net price of a period, in hundredths of a "
        "percent: 2000 is 20%. At most 10000.",
    )
    amount_cents: BigInt | None = strawberry.field(
        default=None,
        description="The amount in cents that is taken off the net price of a period, of all units "
        "together. It never exceeds that price.",
    )
    periods: int | None = strawberry.field(
        default=None,
        description=(
            "The number of billed periods of a purchase that it applies to, at most 120. All of "
            "them when omitted."
        ),
    )
    valid_from: date | None = strawberry.field(
        default=None,
        description=(
            "The first day on which the code can be redeemed, in Europe/Paris. When omitted, "
            "today with immediate effect."
        ),
    )
    valid_until: date | None = strawberry.field(
        default=None,
        description=(
            "The day from which the code can no longer be redeemed, in Europe/Paris. When "
            "omitted, there is no end."
        ),
    )
    max_redemptions: int | None = strawberry.field(
        default=None, description="How often it can be redeemed in all. Any number when omitted."
    )
    once_per_company: bool = strawberry.field(
        default=True, description="Whether each company can redeem it only once."
    )
    segment: Segment | None = strawberry.field(
        default=None, description="The only segment of offers to which it applies. All when null."
    )
    interval: Interval | None = strawberry.field(
        default=None, description="The only interval of prices to which it applies. All when null."
    )
    offer_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list,
        description="The IDs of the only offers to which it applies, at most 100. All when empty.",
    )
    minimum_quantity: int = strawberry.field(
        default=1, description="The smallest number of units of a purchase, 1 to 1,000."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The promotion code to deactivate.")
class PromotionDeactivateInput:
    promotion_id: strawberry.ID = strawberry.field(description="The ID of a promotion.")
