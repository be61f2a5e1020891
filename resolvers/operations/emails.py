"""The outbox as an operator sees it: which emails arrived, and which were given up."""

from typing import Annotated

import strawberry
from tortoise.expressions import Q

from models.operations.email import Email, EmailState
from resolvers.context import Info
from resolvers.ids import encode, key_of
from resolvers.operations.inputs import EmailRetryInput
from resolvers.paging import After, Before, First, Last, OnePage, Order, Window, page

LATEST = Order("id", descending=True)


def emails(
    info: Info,
    state: Annotated[list[EmailState] | None, strawberry.argument(description="Only in one of these states.")] = None,
    first: First = None, after: After = None, last: Last = None, before: Before = None,
) -> OnePage:  # fmt: skip
    """The emails that the viewer may see, the latest first."""
    viewer = info.context.viewer
    found = Email.visible_to(viewer)
    if state is not None:
        found = found.filter(Q(*(each.condition for each in state), join_type=Q.OR)) if state else found.filter(id=None)
    return page(found, LATEST, Window(first, after, last, before), viewer)


async def retry(info: Info, input: EmailRetryInput) -> Email:
    """Have an email tried anew."""
    return await Email.retry(info.context.action(), key_of(Email, input.email_id))


def email_id(root: Email) -> str:
    """What names an email to an operator."""
    return encode("Email", root.pk)
