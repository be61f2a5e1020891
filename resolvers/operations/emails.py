"""The outbox: which emails were delivered and which were given up, for operators."""

from typing import Annotated

import strawberry
from tortoise.expressions import Q

from models.operations.email import Email
from resolvers.context import Info
from resolvers.filters import accepted_values, order_or_default
from resolvers.ids import key_of
from resolvers.operations.filters import EmailFilter, EmailOrder
from resolvers.operations.inputs import EmailRetryInput
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


def emails(
    info: Info,
    filter: Annotated[
        EmailFilter | None, strawberry.argument(description="Conditions on the emails to return.")
    ] = None,
    order_by: Annotated[
        EmailOrder | None,
        strawberry.argument(description="The order of the list. Defaults to most recent first."),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The emails that the viewer may see, most recent first."""
    viewer = info.context.viewer
    rows = Email.visible_to(viewer)
    if (states := accepted_values(filter.state if filter else None)) is not None:
        rows = (
            rows.filter(Q(*(state.condition for state in states), join_type=Q.OR))
            if states
            else rows.filter(id=None)
        )
    return page(
        rows,
        order_or_default(order_by, NEWEST_FIRST),
        PageRequest(first, after, last, before),
        viewer,
    )


async def retry(info: Info, input: EmailRetryInput) -> Email:
    """Retry the delivery of an email."""
    return await Email.retry(info.context.action(), key_of(Email, input.email_id))
