"""Offers and prices."""

from datetime import datetime
from typing import Annotated

import strawberry

import models.billing.offer
from models.billing.offer import Interval, Segment
from resolvers.billing import offers as offer_resolvers
from schema.billing.money import Money
from schema.fields import edge, field, localized_field
from schema.nodes import Node, backed_by
from schema.texts import text_of


@strawberry.type(description="One version of an offer's price. A new version never touches running purchases.")
@backed_by(models.billing.offer.Price)
class Price(Node):
    interval: Interval = field("How often it is paid.")
    net: Money = field("Net of VAT, for one interval.", needs=("net_cents",))
    vat: Money = field("The VAT on it.", needs=("net_cents", "vat_rate"))
    gross: Money = field("Gross, as it is charged.", needs=("net_cents", "vat_rate"))
    vat_rate: int = field("The VAT rate in hundredths of a percent: 2000 is 20 %.")
    valid_from: datetime = field("On sale since.")
    valid_until: datetime | None = field("On sale until, null while it is.")
    offer: Annotated["Offer", strawberry.lazy("schema.billing.offers")] = edge(
        offer_resolvers.offer_of_price, needs=("offer_id",), description="What it is the price of."
    )


@strawberry.type(description="A subscription offer of the catalogue.")
@backed_by(models.billing.offer.Offer)
class Offer(Node):
    slug: str = field("Its name in addresses.")
    segment: Segment = field("The size of business it is made for.")
    name: str = localized_field(text_of("name"), description="Its name.", needs=("texts",))
    description: str = localized_field(text_of("description"), description="What it is, in a few sentences.", needs=("texts",))
    features: list[str] = localized_field(text_of("features"), description="What it does.", needs=("texts",))
    advantages: list[str] = localized_field(text_of("advantages"), description="Why to choose it.", needs=("texts",))
    prices: list[Price] = edge(offer_resolvers.prices, description="The prices on sale now, the shortest interval first.")
