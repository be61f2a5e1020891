"""The outbox: which emails were delivered and which were given up, for operators."""

from typing import Annotated

import strawberry
from tortoise.expressions import Q

from models.operations.email import Email, EmailState
from resolvers.context import Info
from resolvers.ids import key_of
from resolvers.operations.inputs import EmailRetryInput
from resolvers.paging import After, Before, First, Last, OnePage, Order, Window, page

MOST_RECENT = Order("id", descending=True)


def emails(
    info: Info,
    state: Annotated[list[EmailState] | None, strawberry.argument(description="Only emails in one of these states.")] = None,
    first: First = None, after: After = None, last: Last = None, before: Before = None,
) -> OnePage:  # fmt: skip
    """The emails that the viewer may see, most recent first."""
    viewer = info.context.viewer
    rows = Email.visible_to(viewer)
    if state is not None:
        rows = rows.filter(Q(*(each.condition for each in state), join_type=Q.OR)) if state else rows.filter(id=None)
    return page(rows, MOST_RECENT, Window(first, after, last, before), viewer)


async def retry(info: Info, input: EmailRetryInput) -> Email:
    """Retry the delivery of an email."""
    return await Email.retry(info.context.action(), key_of(Email, input.email_id))
