"""Snoozed tickets: they leave the agents' views until a time, or until their customer writes."""

from datetime import datetime, timedelta
from functools import partial

from models.action import Action
from models.due_rows import handle_each
from models.errors import CommonErrorCode, Refusal
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus, require_transition
from models.translations import _

MAX_TIME = timedelta(days=366)


def require_time(action: Action, until: datetime) -> None:
    """Raise VALUE_INVALID for a time that isn't within the next year."""
    if not action.at < until <= action.at + MAX_TIME:
        message = _("Choose a time within the next year.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "until", message=message)


async def snooze(action: Action, ticket: Ticket, until: datetime | None) -> Ticket:
    """Snooze a ticket until a time, or wake it when that is None. A repeat changes nothing. Raises
    TRANSITION_ILLEGAL for a closed ticket.
    """
    async with action.transaction() as tx:
        ticket = await tx.lock(Ticket, ticket.pk)
        require_transition(ticket.status, TicketStatus.OPEN)
        if ticket.snoozed_until != until:
            await ticket.set_snoozed(tx, until)
    return ticket


async def wake_due(action: Action) -> int:
    """Wake the tickets whose time has come: a job. Returns how many."""
    due = Ticket.filter(snoozed_until__lte=action.at)
    return await handle_each(due, partial(_wake, action), "snooze.failed")


async def _wake(action: Action, ticket_id: int) -> bool:
    async with action.transaction() as tx:
        ticket = await tx.lock(Ticket, ticket_id)
        if ticket.snoozed_until is None or ticket.snoozed_until > action.at:
            return False
        await ticket.set_snoozed(tx, None)
    return True
