"""Scheduled and completed erasures."""

from collections.abc import Sequence
from typing import Annotated

import strawberry
from tortoise.queryset import QuerySet

from models.clock import local_date
from models.identity.user import User
from models.privacy.erasure import Erasure
from privacy.erasure import ErasureServices
from resolvers.context import Context, Info, Services
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
from resolvers.privacy.filters import ErasureOrder
from resolvers.rows import RowByForeignKey
from storage.store import Store

NEWEST_FIRST = Order("id", descending=True)


def erasure_services(services: Services, store: Store) -> ErasureServices:
    """What an erasure needs, with the retention periods in force today."""
    return ErasureServices(store, services.seller.retention_on(local_date(services.clock.now())))


def erasures(
    info: Info,
    order_by: Annotated[
        ErasureOrder | None,
        strawberry.argument(description="The order of the list. Defaults to most recent first."),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """Every scheduled erasure."""
    viewer = info.context.viewer
    return page(
        Erasure.visible_to(viewer),
        order_or_default(order_by, NEWEST_FIRST),
        PageRequest(first, after, last, before),
        viewer,
    )


def invoices_kept(root: Erasure) -> int | None:
    """The number of kept invoices, None until it is known."""
    return root.invoices_kept if root.started_at else None


def removed_counts(root: Erasure) -> list[dict[str, object]]:
    """The number of removed items of each kind."""
    return [{"kind": kind, "count": count} for kind, count in sorted(root.removed_counts.items())]


def schedulers(context: Context, parents: Sequence[Erasure]) -> RowByForeignKey:
    """The agent who scheduled each erasure."""
    return RowByForeignKey(parents, "scheduler_id", QuerySet(User))
