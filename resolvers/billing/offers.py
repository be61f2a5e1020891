"""Offers and their prices."""

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry
from tortoise.queryset import QuerySet

from models.billing.offer import Offer, Price
from models.text import can_be_stored
from resolvers.arguments import SlugArgument
from resolvers.billing.filters import OfferFilter, OfferOrder
from resolvers.context import Context, Info
from resolvers.filters import accepted_values, filter_in, order_or_default
from resolvers.paging import (
    AfterArgument,
    BeforeArgument,
    DeferredPage,
    FirstArgument,
    LastArgument,
    Order,
    PageRequest,
    page,
)
from resolvers.rows import RowByForeignKey, RowByKey, RowsByParent


def offers(
    info: Info,
    filter: Annotated[
        OfferFilter | None, strawberry.argument(description="Conditions on the offers to return.")
    ] = None,
    order_by: Annotated[
        OfferOrder | None,
        strawberry.argument(description="The order of the list. Defaults to the vendor's order."),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The catalogue."""
    rows = filter_in(
        Offer.visible_to(info.context.viewer),
        "segment",
        accepted_values(filter.segment if filter else None),
    )
    return page(
        rows,
        order_or_default(order_by, Order("position")),
        PageRequest(first, after, last, before),
        info.context.viewer,
    )


def offer(info: Info, slug: SlugArgument) -> RowByKey | None:
    """The offer with a slug."""
    return (
        RowByKey(Offer.visible_to(info.context.viewer), "slug", slug)
        if can_be_stored(slug, 60)
        else None
    )


def prices(context: Context, parents: Sequence[Offer]) -> RowsByParent:
    """The prices of each offer that are on sale, shortest interval first."""
    return RowsByParent(
        parents, Price.current(context.services.clock.now()), "offer_id", "net_cents", "id"
    )


def offer_of_price(context: Context, parents: Sequence[Any]) -> RowByForeignKey:
    """The offer of each price or invoice."""
    return RowByForeignKey(parents, "offer_id", QuerySet(Offer))
