"""Splitting tickets."""

from collections.abc import Sequence

import strawberry
from tortoise.queryset import QuerySet

from models.checks import Checks
from models.support.classification import Category
from models.support.message import Message
from models.support.ticket import SUBJECT_LENGTH, Ticket
from models.text import client_key, masked_line
from resolvers.arguments import IDEMPOTENCY_KEY
from resolvers.context import Context, Info
from resolvers.ids import key_of, load_visible
from resolvers.rows import RowByForeignKey
from support import splitting


@strawberry.input(description="The ticket to split, and the messages about something else.")
class TicketSplitInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ID of the original ticket.")
    message_ids: list[strawberry.ID] = strawberry.field(
        description=(
            "The IDs of 1 to 20 messages from customers in that ticket, which are copied to the "
            "new one with their files."
        )
    )
    subject: str = strawberry.field(
        description="The subject of the new ticket (at most 200 characters)."
    )
    category: Category = strawberry.field(description="The category of the new ticket.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


async def split(info: Info, input: TicketSplitInput) -> Ticket:
    """Open a ticket with messages of another one."""
    context = info.context
    with Checks() as check:
        ticket = await check.wait(load_visible(Ticket, input.ticket_id, context.viewer, "ticketId"))
        keys = check(splitting.message_keys, [key_of(Message, each) for each in input.message_ids])
        subject = check(masked_line, input.subject, "subject", SUBJECT_LENGTH)
        key = check(client_key, input.idempotency_key)
    return await splitting.split(
        context.action(), ticket, keys, subject=subject, category=input.category, key=key
    )


def originals_of(context: Context, parents: Sequence[Ticket]) -> RowByForeignKey:
    """The ticket that each ticket was split from, None for the others."""
    return RowByForeignKey(parents, "split_from_id", QuerySet(Ticket))
