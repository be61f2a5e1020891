"""The assignee of a ticket, and its priority, tags and category."""

from collections.abc import Sequence
from typing import Any

import strawberry

from models.checks import Checks
from models.identity.user import User
from models.support.classification import Category, Priority
from models.support.tag import TicketTag, clean_tags
from models.support.team import Team
from models.support.ticket import Ticket
from resolvers.context import Context, Info
from resolvers.ids import key_of, load_visible
from resolvers.rows import RowByForeignKey
from support import assignment, classification
from support.teams import require_agent


@strawberry.input(description="The ticket to claim.")
class TicketClaimInput:
    ticket_id: strawberry.ID = strawberry.field(
        description="The ID of a ticket without an assignee."
    )


@strawberry.input(description="The ticket to return to the inbox.")
class TicketReleaseInput:
    ticket_id: strawberry.ID = strawberry.field(
        description="The ID of a ticket that is assigned to the viewer."
    )


@strawberry.input(description="The ticket to take over.")
class TicketTakeOverInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ID of the ticket.")


@strawberry.input(description="The ticket, and who gets it: a person, a team, or both.")
class TicketTransferInput:
    ticket_id: strawberry.ID = strawberry.field(
        description="The ID of a ticket without an assignee or assigned to the viewer. Supervisors "
        "transfer any ticket."
    )
    user_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The ID of the agent or supervisor who gets the ticket. Null for nobody: any "
        "member of the team can claim it.",
    )
    team_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The ID of the team that gets the ticket. When omitted, the ticket keeps its "
        "team if the person belongs to it.",
    )


@strawberry.input(description="The ticket, and what to change about it.")
class TicketUpdateInput:
    ticket_id: strawberry.ID = strawberry.field(description="The ID of the ticket.")
    priority: Priority | None = strawberry.field(
        default=None, description="The new priority. Null to keep the current one."
    )
    add_tags: list[str] = strawberry.field(
        default_factory=list,
        description=(
            "Tags to add (at most 40 characters each, and at most 20 tags per ticket). They are "
            "stored in lowercase."
        ),
    )
    remove_tags: list[str] = strawberry.field(default_factory=list, description="Tags to remove.")


@strawberry.input(description="The ticket, and its category.")
class TicketChangeCategoryInput:
    ticket_id: strawberry.ID = strawberry.field(
        description="The ID of a ticket that is neither closed nor a legal request."
    )
    category: Category = strawberry.field(
        description=(
            "The category that the ticket belongs to. SECURITY is refused, because requests about "
            "security have a legal deadline that starts when they are made."
        )
    )


async def claim(info: Info, input: TicketClaimInput) -> Ticket:
    """Assign a ticket to the viewer."""
    ticket = await load_visible(Ticket, input.ticket_id, info.context.viewer, "ticketId")
    return await assignment.claim(info.context.action(), ticket, info.context.user)


async def release(info: Info, input: TicketReleaseInput) -> Ticket:
    """Return a ticket to the inbox."""
    ticket = await load_visible(Ticket, input.ticket_id, info.context.viewer, "ticketId")
    return await assignment.release(info.context.action(), ticket, info.context.user)


async def take_over(info: Info, input: TicketTakeOverInput) -> Ticket:
    """Assign a ticket to the viewer, whoever has it."""
    ticket = await load_visible(Ticket, input.ticket_id, info.context.viewer, "ticketId")
    return await assignment.take_over(info.context.action(), ticket, info.context.user)


async def transfer(info: Info, input: TicketTransferInput) -> Ticket:
    """Assign a ticket to another person or team."""
    context = info.context
    agent_id = None if input.user_id is None else key_of(User, input.user_id) or 0
    team_id = None if input.team_id is None else key_of(Team, input.team_id) or 0
    with Checks() as check:
        ticket = await check.wait(load_visible(Ticket, input.ticket_id, context.viewer, "ticketId"))
        check(assignment.require_target, agent_id, team_id)
        if agent_id is not None:
            await check.wait(require_agent(agent_id))
        if team_id is not None:
            await check.wait(assignment.require_team(team_id))
    return await assignment.transfer(context.action(), ticket, context.user, agent_id, team_id)


async def update(info: Info, input: TicketUpdateInput) -> Ticket:
    """Change the priority and the tags of a ticket."""
    context = info.context
    with Checks() as check:
        ticket = await check.wait(load_visible(Ticket, input.ticket_id, context.viewer, "ticketId"))
        added_tags = check(clean_tags, input.add_tags, "addTags")
        removed_tags = check(clean_tags, input.remove_tags, "removeTags")
    return await classification.classify(
        context.action(), ticket, input.priority, added_tags, removed_tags
    )


async def change_category(info: Info, input: TicketChangeCategoryInput) -> Ticket:
    """Correct the category of a ticket."""
    ticket = await load_visible(Ticket, input.ticket_id, info.context.viewer, "ticketId")
    return await classification.change_category(info.context.action(), ticket, input.category)


def priorities(context: Context, parents: Sequence[Any]) -> list[Priority | None]:
    """The priority of each ticket, for agents."""
    return [row.priority if context.viewer.is_agent else None for row in parents]


def teams_of_tickets(context: Context, parents: Sequence[Ticket]) -> RowByForeignKey:
    """The team of each ticket, for staff."""
    return RowByForeignKey(parents, "team_id", Team.visible_to(context.viewer))


async def tags(context: Context, parents: Sequence[Ticket]) -> list[list[str]]:
    """The tags of each ticket in alphabetical order, for agents."""
    groups: dict[int, list[str]] = {ticket.pk: [] for ticket in parents}
    if context.viewer.is_agent:
        for row in await TicketTag.filter(ticket_id__in=list(groups)).order_by("tag"):
            groups[row.ticket_id].append(row.tag)
    return [groups[ticket.pk] for ticket in parents]
