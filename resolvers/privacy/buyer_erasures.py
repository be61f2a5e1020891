"""Runs that remove the buyers from invoices whose ten years are over."""

from collections.abc import Sequence
from typing import Annotated

import strawberry
from tortoise.queryset import QuerySet

from models.clock import local_date
from models.identity.user import User
from models.privacy.buyer_erasure import BuyerErasure
from models.privacy.erasure import Retention
from privacy import buyer_erasures as rules
from privacy.buyer_erasures import BuyerErasurePlan
from resolvers.context import Context, Info
from resolvers.filters import order_or_default
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
from resolvers.privacy.filters import BuyerErasureOrder
from resolvers.privacy.inputs import BuyerErasureStartInput
from resolvers.rows import RowByForeignKey

NEWEST_FIRST = Order("id", descending=True)


def buyer_erasures(
    info: Info,
    order_by: Annotated[
        BuyerErasureOrder | None,
        strawberry.argument(description="The order of the list. Defaults to most recent first."),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """Every run."""
    viewer = info.context.viewer
    return page(
        BuyerErasure.visible_to(viewer),
        order_or_default(order_by, NEWEST_FIRST),
        PageRequest(first, after, last, before),
        viewer,
    )


async def preview(info: Info) -> BuyerErasurePlan:
    """What a run would remove now."""
    context = info.context
    return await rules.plan(context.now(), _retention(context))


async def start(info: Info, input: BuyerErasureStartInput) -> BuyerErasure:
    """Confirm a run."""
    context = info.context
    return await rules.start(
        context.action(),
        context.session,
        _retention(context),
        input.digest,
        input.reason,
        input.idempotency_key,
    )


def _retention(context: Context) -> Retention:
    return context.services.seller.retention_on(local_date(context.now()))


def planned_counts(root: BuyerErasure | BuyerErasurePlan) -> list[dict[str, object]]:
    """The number of rows of each table that the operator confirmed, or would confirm."""
    counts = root.counts if isinstance(root, BuyerErasurePlan) else root.planned_counts
    return _by_kind(counts)


def removed_counts(root: BuyerErasure) -> list[dict[str, object]]:
    """The number of rows of each table that were changed so far."""
    return _by_kind(root.removed_counts)


def _by_kind(counts: dict[str, int]) -> list[dict[str, object]]:
    return [
        {"kind": kind.replace("_", " ") + "s", "count": count}
        for kind, count in sorted(counts.items())
    ]


def operators(context: Context, parents: Sequence[BuyerErasure]) -> RowByForeignKey:
    """The operator who confirmed each run."""
    return RowByForeignKey(parents, "operator_id", QuerySet(User))
