"""Drafts of answers and notes."""

from collections import defaultdict
from collections.abc import Sequence

import strawberry
from tortoise.queryset import QuerySet

from models.checks import Checks
from models.identity.user import User
from models.support.draft import Draft
from models.support.ticket import Ticket
from models.text import message_text
from resolvers.context import Context, Info
from resolvers.ids import load_visible
from resolvers.rows import FirstRowByParent, RowByForeignKey
from support import drafts


@strawberry.input(description="What the viewer is writing in a ticket.")
class DraftSaveInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ID of the ticket.")
    body: str = strawberry.field(
        description="The text (at most 8,000 characters). Card numbers are masked."
    )
    is_note: bool = strawberry.field(
        default=False, description="Whether it will be an internal note, not an answer."
    )
    version: int = strawberry.field(
        default=0,
        description="The `version` of the draft that this one replaces, 0 for a new one. When "
        "another device has saved another one meanwhile, nothing is changed: DRAFT_CHANGED.",
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
    await drafts.discard_draft(ticket, info.context.user)
    return ticket


def own_drafts(context: Context, parents: Sequence[Ticket]) -> FirstRowByParent:
    """The viewer's draft in each ticket."""
    return FirstRowByParent(parents, Draft.visible_to(context.viewer), "ticket_id", "id")


async def other_writers(context: Context, parents: Sequence[Ticket]) -> list[list[Draft]]:
    """The drafts of others in each ticket, for agents, without their texts."""
    groups = defaultdict(list)
    if context.viewer.is_agent:
        rows = Draft.filter(ticket_id__in=[ticket.pk for ticket in parents])
        for row in await rows.exclude(user_id=context.viewer.user_id).order_by("id"):
            groups[row.ticket_id].append(row)
    return [groups[ticket.pk] for ticket in parents]


def writers(context: Context, parents: Sequence[Draft]) -> RowByForeignKey:
    """The person who is writing each draft."""
    return RowByForeignKey(parents, "user_id", QuerySet(User))
