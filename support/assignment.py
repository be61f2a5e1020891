"""Assigning tickets: claiming, releasing, transferring and taking over.

A ticket is assigned to a person, a team, both or nobody. An agent from whom it is transferred away
gets no more of its events (`TicketPosition.transferred_at`).
"""

from tortoise.exceptions import DoesNotExist

from models.action import Action, Transaction
from models.errors import CommonErrorCode, Forbidden, Refusal
from models.identity.user import Staff, User
from models.support.agents import lock_agent
from models.support.audit_actions import SupportAuditAction
from models.support.errors import SupportErrorCode
from models.support.team import Team, TeamMember
from models.support.ticket import Ticket
from models.support.ticket_position import mark_transferred
from models.support.ticket_status import TicketStatus, require_transition
from models.translations import _


async def claim(action: Action, ticket: Ticket, agent: User) -> Ticket:
    """Assign a ticket to the agent. Of two concurrent claims, one fails with ALREADY_CLAIMED. A
    repeat changes nothing.

    Raises ALREADY_CLAIMED, TRANSITION_ILLEGAL, Forbidden.
    """
    async with action.transaction() as tx:
        await lock_agent(tx, agent.pk)
        ticket = await tx.lock(Ticket, ticket.pk)
        if ticket.assignee_id == agent.pk:
            return ticket
        if ticket.assignee_id is not None:
            name = await _name(tx, ticket.assignee_id)
            raise Refusal(SupportErrorCode.ALREADY_CLAIMED, "input", "ticketId", agent=name)
        await _take(tx, ticket, agent, SupportAuditAction.TICKET_CLAIM)
    return ticket


async def take_over(action: Action, ticket: Ticket, supervisor: User) -> Ticket:
    """Assign a ticket to the supervisor, whoever has it. A repeat changes nothing. Raises
    TRANSITION_ILLEGAL and Forbidden.
    """
    async with action.transaction() as tx:
        await lock_agent(tx, supervisor.pk)
        ticket = await tx.lock(Ticket, ticket.pk)
        if ticket.assignee_id != supervisor.pk:
            await _take(tx, ticket, supervisor, SupportAuditAction.TICKET_TAKE_OVER)
    return ticket


async def _take(
    tx: Transaction, ticket: Ticket, agent: User, audit_action: SupportAuditAction
) -> None:
    require_transition(ticket.status, TicketStatus.OPEN)
    tx.audit(audit_action, ticket, before=ticket.assignee_id)
    await assign_ticket(tx, ticket, agent.pk, ticket.team_id)
    if ticket.status is TicketStatus.NEW:
        await ticket.set_status(tx, TicketStatus.OPEN)


async def release(action: Action, ticket: Ticket, agent: User) -> Ticket:
    """Return a ticket to the inbox, where any agent can claim it. A repeat changes nothing. Raises
    NOT_ASSIGNED.
    """
    async with action.transaction() as tx:
        ticket = await tx.lock(Ticket, ticket.pk)
        if ticket.assignee_id not in (None, agent.pk):
            raise Refusal(SupportErrorCode.NOT_ASSIGNED, "input", "ticketId")
        if ticket.assignee_id is not None:
            await ticket.unassign(tx)
            tx.audit(SupportAuditAction.TICKET_RELEASE, ticket)
    return ticket


async def transfer(
    action: Action, ticket: Ticket, actor: User, agent_id: int | None, team_id: int | None
) -> Ticket:
    """Assign a ticket to another person, to a team, or to a person for a team. If a person belongs
    to the ticket's team, it stays in that team. A repeat changes nothing.

    Raises NOT_ASSIGNED for a ticket of somebody else, unless a supervisor transfers it,
    TRANSITION_ILLEGAL for a closed one, NOT_FOUND for someone who doesn't answer customers and for
    an archived team, and VALUE_INVALID for a person outside of the team.
    """
    async with action.transaction() as tx:
        if agent_id:
            await _lock_target(tx, agent_id)
        ticket = await tx.lock(Ticket, ticket.pk)
        await require_right_to_transfer(tx, ticket, actor)
        require_transition(ticket.status, TicketStatus.OPEN)
        team_id = await resolve_team(tx, ticket, agent_id, team_id)
        if (ticket.assignee_id, ticket.team_id) != (agent_id, team_id):
            tx.audit(
                SupportAuditAction.TICKET_TRANSFER,
                ticket,
                before=ticket.assignee_id,
                agent=agent_id,
                team=team_id,
            )
            await assign_ticket(tx, ticket, agent_id, team_id, is_told=agent_id != actor.pk)
    return ticket


async def _lock_target(tx: Transaction, agent_id: int) -> None:
    try:
        await lock_agent(tx, agent_id)
    except (Forbidden, DoesNotExist):
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "userId") from None


async def require_right_to_transfer(tx: Transaction, ticket: Ticket, actor: User) -> None:
    """Raise NOT_ASSIGNED for a ticket of somebody else, unless a supervisor transfers it."""
    if ticket.assignee_id in (None, actor.pk) or actor.staff is Staff.SUPERVISOR:
        return
    raise Refusal(
        SupportErrorCode.NOT_ASSIGNED,
        "input",
        "ticketId",
        message=_("%(agent)s has this ticket. Only they or a supervisor can transfer it."),
        agent=await _name(tx, ticket.assignee_id or 0),
    )


async def resolve_team(
    tx: Transaction, ticket: Ticket, agent_id: int | None, team_id: int | None
) -> int | None:
    """The team of a ticket after its transfer. Raises VALUE_INVALID for a person outside of the
    team that is given.
    """
    if agent_id is None:
        return team_id
    memberships = TeamMember.filter(user_id=agent_id, team_id=team_id or ticket.team_id or 0)
    is_member = await memberships.using_db(tx.db).exists()
    if team_id and not is_member:
        message = _("This person doesn’t belong to the team.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "userId", message=message)
    return (team_id or ticket.team_id) if is_member else None


async def assign_ticket(
    tx: Transaction,
    ticket: Ticket,
    agent_id: int | None,
    team_id: int | None,
    *,
    is_told: bool = False,
) -> None:
    """Assign a ticket, which the caller has locked together with the person, and record who lost
    it.
    """
    if ticket.assignee_id not in (None, agent_id):
        await mark_transferred(ticket.pk, ticket.assignee_id or 0, tx.action.at, tx.db)
    await ticket.assign(tx, agent_id, team_id, is_told=is_told)


async def _name(tx: Transaction, user_id: int) -> str:
    return (await User.get(pk=user_id, using_db=tx.db)).name


def require_target(agent_id: object, team_id: object) -> None:
    """Raise VALUE_INVALID unless a person or a team is given."""
    if agent_id is None and team_id is None:
        message = _("Choose a person or a team.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "userId", message=message)


async def require_team(team_id: int) -> None:
    """Raise NOT_FOUND unless this is a team that gets tickets."""
    if not await Team.filter(pk=team_id, archived_at=None).exists():
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "teamId")
