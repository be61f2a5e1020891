"""Promotion codes."""

from datetime import datetime

import strawberry

import models.billing.promotion
from models.billing.offer import Interval, Segment
from resolvers.accounts import accounts as account_resolvers
from resolvers.billing import promotions as promotion_resolvers
from schema.accounts.accounts import Account
from schema.billing.money import Money
from schema.billing.offers import Offer
from schema.fields import connection, edge, field
from schema.nodes import Connection, Node, backed_by
from schema.user_errors import UserError, errors


@strawberry.type(description="The use of a promotion code for a purchase.")
@backed_by(models.billing.promotion.PromotionRedemption)
class PromotionRedemption(Node):
    account: Account | None = edge(
        account_resolvers.accounts_of,
        needs=("account_id",),
        description="The company that redeemed the code.",
    )
    redeemed_at: datetime = field(
        "When the code was redeemed: when the payment of the purchase began, or when the purchase "
        "started without one."
    )


@strawberry.type(
    description="A promotion code, which takes a share or an amount off the net price of periods."
)
@backed_by(models.billing.promotion.Promotion)
class Promotion(Node):
    code: str = field("The code, in uppercase.")
    percent_basis_points: int | None = field(
        "The share that is taken off, in hundredths of a percent: 2000 is 20%. Null for an amount.",
        promotion_resolvers.percent_basis_points,
        needs=("basis_points",),
    )
    amount: Money | None = field(
        "The net amount that is taken off each period. Null for a share.", needs=("amount_cents",)
    )
    periods: int | None = field(
        "The number of billed periods of a purchase that it applies to. Null for all of them."
    )
    valid_from: datetime = field("From when the code can be redeemed.")
    valid_until: datetime | None = field(
        "Until when the code can be redeemed. Null without an end."
    )
    max_redemptions: int | None = field(
        "How often the code can be redeemed in all. Null for any number."
    )
    once_per_company: bool = field("Whether each company can redeem the code only once.")
    segment: Segment | None = field(
        "The only segment of offers to which the code applies. Null for all."
    )
    interval: Interval | None = field(
        "The only interval of prices to which the code applies. Null for all."
    )
    offers: list[Offer] = edge(
        promotion_resolvers.offers,
        needs=("offer_ids",),
        description="The only offers to which the code applies. Empty for all.",
    )
    minimum_quantity: int = field("The smallest number of units of a purchase.")
    created_at: datetime = field("When the code was created.")
    deactivated_at: datetime | None = field(
        "When the code was deactivated. Null while it is active."
    )
    redemption_count: int = edge(
        promotion_resolvers.redemption_counts, description="How often the code was redeemed."
    )
    redemptions: Connection[PromotionRedemption] = connection(
        promotion_resolvers.redemptions,
        description="The redemptions of the code, most recent first.",
    )


@strawberry.type(description="The result of a change to a promotion code.")
class PromotionPayload:
    promotion: Promotion | None = field("The promotion after the change.")
    user_errors: list[UserError] = errors()
