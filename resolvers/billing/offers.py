"""Offers and their prices."""

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry
from tortoise.expressions import Q
from tortoise.queryset import QuerySet

from models.billing.offer import Offer, OfferStatus, Price
from models.database.reading import rows_where
from models.identity.user import Staff
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

_ON_SALE = Q(status=OfferStatus.ON_SALE)


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
    """The catalogue: what is on sale. Operators can also request other offers, by their status."""
    viewer, conditions = info.context.viewer, filter or OfferFilter()
    rows = Offer.visible_to(viewer)
    rows = filter_in(rows, "segment", accepted_values(conditions.segment))
    statuses = accepted_values(conditions.status)
    if statuses is None or viewer.staff is not Staff.OPERATOR:
        rows = rows.filter(status=OfferStatus.ON_SALE)
    return page(
        filter_in(rows, "status", statuses),
        order_or_default(order_by, Order("position")),
        PageRequest(first, after, last, before),
        viewer,
    )


def offer(info: Info, slug: SlugArgument) -> RowByKey | None:
    """The offer on sale with a slug; operators see any."""
    rows = (
        QuerySet(Offer)
        if info.context.viewer.staff is Staff.OPERATOR
        else rows_where(Offer, _ON_SALE)
    )
    return RowByKey(rows, "slug", slug) if can_be_stored(slug, 60) else None


def prices(context: Context, parents: Sequence[Offer]) -> RowsByParent:
    """The prices of each offer that are on sale, shortest interval first."""
    return RowsByParent(
        parents, Price.current(context.services.clock.now()), "offer_id", "net_cents", "id"
    )


def price_versions(context: Context, parents: Sequence[Offer]) -> RowsByParent:
    """All versions of each offer's prices that the viewer may see, oldest first."""
    return RowsByParent(
        parents, Price.visible_to(context.viewer), "offer_id", "valid_from", "net_cents", "id"
    )


def offer_of_price(context: Context, parents: Sequence[Any]) -> RowByForeignKey:
    """The offer of each price or invoice."""
    return RowByForeignKey(parents, "offer_id", QuerySet(Offer))
