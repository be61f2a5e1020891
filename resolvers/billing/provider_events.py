"""Notifications by payment providers, for operators."""

from typing import Annotated

import strawberry

from billing import provider_events as domain
from models.billing.provider_event import ProviderEvent
from resolvers.billing.filters import ProviderEventFilter, ProviderEventOrder
from resolvers.billing.inputs import ProviderEventRetryInput
from resolvers.context import Info
from resolvers.filters import accepted_values, filter_in, order_or_default
from resolvers.ids import load_visible
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

NEWEST_FIRST = Order("id", descending=True)


def provider_events(
    info: Info,
    filter: Annotated[
        ProviderEventFilter | None,
        strawberry.argument(description="Conditions on the notifications to return."),
    ] = None,
    order_by: Annotated[
        ProviderEventOrder | None,
        strawberry.argument(description="The order of the list. Defaults to most recent first."),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The notifications that the viewer may see, most recent first."""
    viewer = info.context.viewer
    statuses = accepted_values(filter.status if filter else None)
    rows = filter_in(ProviderEvent.visible_to(viewer), "status", statuses)
    return page(
        rows,
        order_or_default(order_by, NEWEST_FIRST),
        PageRequest(first, after, last, before),
        viewer,
    )


async def retry(info: Info, input: ProviderEventRetryInput) -> ProviderEvent:
    """Handle a failed notification again."""
    event = await load_visible(
        ProviderEvent, input.provider_event_id, info.context.viewer, "providerEventId"
    )
    return await domain.retry(info.context.action(), event)
