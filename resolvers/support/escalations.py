"""Escalations of tickets."""

from collections.abc import Sequence

import strawberry
from tortoise.queryset import QuerySet

from models.checks import Checks
from models.identity.user import User
from models.support.escalation import Escalation
from models.support.ticket import Ticket
from models.text import message_text
from resolvers.arguments import IDEMPOTENCY_KEY
from resolvers.context import Context, Info
from resolvers.ids import load_visible
from resolvers.rows import RowByForeignKey, RowsByParent
from support import escalations


@strawberry.input(description="The ticket to escalate, and the problem that persists.")
class TicketEscalateInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ID of the ticket.")
    details: str = strawberry.field(
        description="What the problem is, and what it prevents (at most 3,500 characters)."
    )
    steps_tried: str = strawberry.field(
        description="What has been tried to solve it (at most 3,500 characters)."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The outcome of an escalation.")
class TicketResolveEscalationInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ID of an escalated ticket.")
    outcome: str = strawberry.field(
        description="The outcome (at most 8,000 characters), which is posted as a reply to the "
        "customer."
    )


async def escalate(info: Info, input: TicketEscalateInput) -> Escalation:
    """Escalate a ticket."""
    context = info.context
    with Checks() as check:
        ticket = await check.wait(load_visible(Ticket, input.ticket_id, context.viewer, "ticketId"))
        details, steps_tried = escalations.escalation_texts(
            check, input.details, input.steps_tried, input.idempotency_key
        )
    return await escalations.escalate(
        context.action(),
        context.services.auth,
        context.user,
        ticket,
        details=details,
        steps_tried=steps_tried,
        key=input.idempotency_key,
    )


async def resolve(info: Info, input: TicketResolveEscalationInput) -> Ticket:
    """Resolve the escalation of a ticket."""
    context = info.context
    with Checks() as check:
        ticket = await check.wait(load_visible(Ticket, input.ticket_id, context.viewer, "ticketId"))
        outcome = check(message_text, input.outcome, "outcome")
    return await escalations.resolve(context.action(), context.user, ticket, outcome)


def of_tickets(context: Context, parents: Sequence[Ticket]) -> RowsByParent:
    """The escalations of each ticket that the viewer may see, oldest first."""
    return RowsByParent(parents, Escalation.visible_to(context.viewer), "ticket_id", "id")


def escalators(context: Context, parents: Sequence[Escalation]) -> RowByForeignKey:
    """The person who escalated each ticket."""
    return RowByForeignKey(parents, "escalator_id", QuerySet(User))


def supervisors(context: Context, parents: Sequence[Escalation]) -> RowByForeignKey:
    """The supervisor who takes care of each escalation."""
    return RowByForeignKey(parents, "supervisor_id", QuerySet(User))


async def history(context: Context, parents: Sequence[Escalation]) -> list[list[Ticket]]:
    """The tickets with the earlier exchanges that the viewer may see, oldest first."""
    keys = {key for each in parents for key in each.history}
    by_key = {row.pk: row for row in await Ticket.visible_to(context.viewer).filter(id__in=keys)}
    return [[by_key[key] for key in each.history if key in by_key] for each in parents]
