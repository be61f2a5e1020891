"""Drafts of answers and notes."""

from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence

import strawberry
from tortoise.queryset import QuerySet

from models.checks import Checks
from models.event import ticket_stream
from models.identity.user import User
from models.support.draft import Draft
from models.support.ticket import Ticket
from models.text import message_text
from resolvers.context import Context, Info
from resolvers.ids import key_argument, load_visible
from resolvers.rows import FirstRowByParent, RowByForeignKey
from resolvers.support.events import TicketIdArgument, open_stream, require_ticket
from support import drafts
from support.writers import TicketWriters, drafts_of_others, is_writing, watch_writers


@strawberry.input(description="What the viewer is writing in a ticket.")
class DraftSaveInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ID of the ticket.")
    body: str = strawberry.field(
        description="The text (at most 8,000 characters). Card numbers are masked."
    )
    is_note: bool = strawberry.field(
        default=False,
        description=("Whether it is a draft of an internal note rather than of an answer."),
    )
    version: int = strawberry.field(
        default=0,
        description=(
            "The `version` of the draft that this one replaces, 0 for a new one. If another "
            "device has saved another draft in the meantime, nothing is changed and the user "
            "error is DRAFT_CHANGED."
        ),
    )


@strawberry.input(description="The ticket whose draft to discard.")
class DraftDiscardInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ID of the ticket.")


async def save(info: Info, input: DraftSaveInput) -> Draft:
    """Save what the viewer is writing."""
    context = info.context
    with Checks() as check:
        ticket = await check.wait(load_visible(Ticket, input.ticket_id, context.viewer, "ticketId"))
        text = check(message_text, input.body)
    return await drafts.save_draft(
        context.action(), ticket, context.user, text, input.is_note, input.version
    )


async def discard(info: Info, input: DraftDiscardInput) -> Ticket:
    """Discard what the viewer was writing."""
    ticket = await load_visible(Ticket, input.ticket_id, info.context.viewer, "ticketId")
    await drafts.discard_draft(info.context.action(), ticket, info.context.user)
    return ticket


def own_drafts(context: Context, parents: Sequence[Ticket]) -> FirstRowByParent:
    """The viewer's draft in each ticket."""
    return FirstRowByParent(parents, Draft.visible_to(context.viewer), "ticket_id", "id")


async def other_writers(context: Context, parents: Sequence[Ticket]) -> list[list[Draft]]:
    """The drafts of others in each ticket, for agents, without their texts."""
    groups = defaultdict(list)
    if context.viewer.is_agent:
        rows = drafts_of_others(context.viewer.user_id)
        keys = [ticket.pk for ticket in parents]
        for row in await rows.filter(ticket_id__in=keys).order_by("id"):
            groups[row.ticket_id].append(row)
    return [groups[ticket.pk] for ticket in parents]


async def watch(info: Info, ticket_id: TicketIdArgument) -> AsyncGenerator[TicketWriters, None]:
    """Who else is writing in a ticket, for agents who follow it."""
    context, key = info.context, key_argument(Ticket, ticket_id, "ticketId")
    stream = open_stream(
        context, ticket_stream(key), None, lambda context: require_ticket(context, key)
    )
    services = context.services
    return watch_writers(services.hub, services.clock, key, context.user.pk, stream.require_access)


def are_writing(context: Context, parents: Sequence[Draft]) -> list[bool]:
    """Whether each draft is being written now."""
    now = context.services.clock.now()
    return [is_writing(draft, now) for draft in parents]


def writers(context: Context, parents: Sequence[Draft]) -> RowByForeignKey:
    """The person who is writing each draft."""
    return RowByForeignKey(parents, "user_id", QuerySet(User))
