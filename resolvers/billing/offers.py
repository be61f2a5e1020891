"""Offers and their prices."""

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry
from tortoise.queryset import QuerySet

from models.billing.offer import Offer, Price
from models.text import can_be_stored
from resolvers.arguments import Slug
from resolvers.billing.filters import OfferFilter, OfferOrder
from resolvers.context import Context, Info
from resolvers.filters import among, ordered, wanted
from resolvers.paging import After, Before, First, Last, OnePage, Order, Window, page
from resolvers.rows import ByKey, ByParent, One


def offers(
    info: Info,
    filter: Annotated[
        OfferFilter | None, strawberry.argument(description="Conditions on the offers to return.")
    ] = None,
    order_by: Annotated[
        OfferOrder | None,
        strawberry.argument(
            description="The order of the list, in the vendor's order when omitted."
        ),
    ] = None,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
) -> OnePage:
    """The catalogue."""
    rows = among(
        Offer.visible_to(info.context.viewer), "segment", wanted(filter.segment if filter else None)
    )
    return page(
        rows,
        ordered(order_by, Order("position")),
        Window(first, after, last, before),
        info.context.viewer,
    )


def offer(info: Info, slug: Slug) -> One | None:
    """The offer with a slug."""
    return (
        One(Offer.visible_to(info.context.viewer), "slug", slug)
        if can_be_stored(slug, 60)
        else None
    )


def prices(context: Context, parents: Sequence[Offer]) -> ByParent:
    """The prices of each offer that are on sale, shortest interval first."""
    return ByParent(
        parents, Price.current(context.services.clock.now()), "offer_id", "net_cents", "id"
    )


def offer_of_price(context: Context, parents: Sequence[Any]) -> ByKey:
    """The offer of each price or invoice."""
    return ByKey(parents, "offer_id", QuerySet(Offer))
