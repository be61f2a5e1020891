"""Who has a ticket: claiming and releasing.

An agent's row is locked before the ticket's. So either the job that follows a dismissal finds the
ticket and unassigns it, or the assignment finds that the agent was dismissed.
"""

from models.action import Action
from models.errors import Forbidden, Refusal
from models.event import EventKind
from models.identity.user import User
from models.support.audit_actions import SupportAuditAction
from models.support.errors import SupportErrorCode
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus, require_transition


async def claim(action: Action, ticket: Ticket, agent: User) -> Ticket:
    """Assign a ticket to the agent. Of two concurrent claims, one fails with ALREADY_CLAIMED. A
    repeat changes nothing.

    Raises ALREADY_CLAIMED, TRANSITION_ILLEGAL, Forbidden.
    """
    async with action.transaction() as tx:
        role = (await tx.lock(User, agent.pk)).staff
        if role is None or not role.answers_customers:
            raise Forbidden
        ticket = await tx.lock(Ticket, ticket.pk)
        if ticket.assignee_id == agent.pk:
            return ticket
        if ticket.assignee_id is not None:
            other = await User.get(pk=ticket.assignee_id, using_db=tx.db)
            raise Refusal(SupportErrorCode.ALREADY_CLAIMED, "input", "ticketId", agent=other.name)
        require_transition(ticket.status, TicketStatus.OPEN)
        ticket.assignee_id = agent.pk
        ticket.updated_at = action.at
        await ticket.save(using_db=tx.db, update_fields=["assignee_id", "updated_at"])
        await ticket.append_event(tx, EventKind.TICKET_ASSIGNED)
        tx.audit(SupportAuditAction.TICKET_CLAIM, ticket)
        if ticket.status is TicketStatus.NEW:
            await ticket.set_status(tx, TicketStatus.OPEN)
    return ticket


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
