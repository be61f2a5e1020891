"""Offers and prices."""

from datetime import date, datetime
from typing import Annotated

import strawberry

import models.billing.offer
from models.billing.offer import Interval, OfferStatus, Segment
from models.billing.tax_rule import TaxCategory
from resolvers.billing import offers as offer_resolvers
from resolvers.billing import prices as price_resolvers
from schema.billing.money import Money
from schema.fields import edge, field, localized_field
from schema.nodes import Node, backed_by
from schema.texts import text_of
from schema.user_errors import UserError, errors


@strawberry.type(
    description="A version of an offer's price. A new version doesn't affect existing purchases."
)
@backed_by(models.billing.offer.Price)
class Price(Node):
    interval: Interval = field("The interval at which the price is charged.")
    net: Money = field("The price for one interval, excluding VAT.", needs=("net_cents",))
    vat: Money = edge(
        price_resolvers.vats,
        needs=("net_cents", "tax_category"),
        description=(
            "The VAT for one interval, as charged to the viewer's company today or, for everyone "
            "else, in metropolitan France."
        ),
    )
    gross: Money = edge(
        price_resolvers.gross_amounts,
        needs=("net_cents", "tax_category"),
        description=(
            "The price for one interval including VAT, as charged to the viewer's company today "
            "or, for everyone else, in metropolitan France."
        ),
    )
    vat_rate: int = edge(
        price_resolvers.vat_rates,
        needs=("tax_category",),
        description=(
            "The VAT rate in hundredths of a percent (2000 is 20%), as charged to the viewer's "
            "company today or, for everyone else, in metropolitan France."
        ),
    )
    tax_category: TaxCategory = field("The category that determines the VAT rate.")
    trial_days: int = field(
        "The days for which a company can try the offer free of charge, once. 0 without a trial."
    )
    trial_requires_payment_method: bool = field(
        "Whether a trial starts only with a saved payment method."
    )
    valid_from: datetime = field("When the price went or goes on sale.")
    valid_until: datetime | None = field(
        "When the price goes off sale. Null while no end is set. Existing purchases renew at it "
        "after that, too."
    )
    offer: Annotated["Offer", strawberry.lazy("schema.billing.offers")] = edge(
        offer_resolvers.offer_of_price,
        needs=("offer_id",),
        description="The offer that the price belongs to.",
    )


@strawberry.type(description="An offer that can be bought and renews.")
@backed_by(models.billing.offer.Offer)
class Offer(Node):
    slug: str = field("The identifier used in URLs.")
    segment: Segment = field("The size of business that the offer is for.")
    status: OfferStatus = field("Whether the offer can be bought.")
    position: int = field("The place of the offer in the catalogue, starting at 1.")
    publishes_on: date | None = field(
        "The day on which an offer that isn't on sale will be. Null when none is planned."
    )
    withdraws_on: date | None = field(
        "The day on which the offer is withdrawn from sale. Null when none is planned."
    )
    name: str = localized_field(
        text_of("name"), description="The name of the offer.", needs=("texts",)
    )
    description: str = localized_field(
        text_of("description"), description="A description of a few sentences.", needs=("texts",)
    )
    features: list[str] = localized_field(
        text_of("features"), description="What the offer includes.", needs=("texts",)
    )
    advantages: list[str] = localized_field(
        text_of("advantages"), description="The reasons to choose the offer.", needs=("texts",)
    )
    prices: list[Price] = edge(
        offer_resolvers.prices,
        description="The prices that are valid now, shortest interval first. They can be bought "
        "while the offer is on sale.",
    )
    price_versions: list[Price] = edge(
        offer_resolvers.price_versions,
        description="All versions of the prices that the viewer may see, oldest first. Only "
        "operators see those that aren't on sale yet.",
    )


@strawberry.type(description="The result of a change to an offer.")
class OfferPayload:
    offer: Offer | None = field("The offer after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of a change to the order of the catalogue.")
class OfferReorderPayload:
    offers: list[Offer] | None = field("All offers in the new order.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of adding or ending a version of a price.")
class PricePayload:
    price: Price | None = field("The version.")
    user_errors: list[UserError] = errors()
