"""Offers and prices."""

from datetime import datetime
from typing import Annotated

import strawberry

import models.billing.offer
from models.billing.offer import Interval, Segment
from resolvers.billing import offers as offer_resolvers
from resolvers.billing import prices as price_resolvers
from schema.billing.money import Money
from schema.fields import edge, field, localized_field
from schema.nodes import Node, backed_by
from schema.texts import text_of


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
        description="The VAT for one interval, as the viewer's company is charged today; for "
        "everyone else that of metropolitan France.",
    )
    gross: Money = edge(
        price_resolvers.gross_amounts,
        needs=("net_cents", "tax_category"),
        description="The price for one interval including VAT, as the viewer's company is charged "
        "today; for everyone else that of metropolitan France.",
    )
    vat_rate: int = edge(
        price_resolvers.vat_rates,
        needs=("tax_category",),
        description="The VAT rate in hundredths of a percent for the viewer's company today; for "
        "everyone else that of metropolitan France: 2000 is 20%.",
    )
    valid_from: datetime = field("When the price went on sale.")
    valid_until: datetime | None = field("When the price goes off sale. Null while no end is set.")
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
    name: str = localized_field(
        text_of("name"), description="The name of the file.", needs=("texts",)
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
        offer_resolvers.prices, description="The prices currently on sale, shortest interval first."
    )
