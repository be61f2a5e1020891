"""Reminders of legal deadlines, by email to the operators.

Each is due a certain time before the deadline (`DEADLINE_REMINDERS`), and is sent while nobody has
answered or closed the request. A reminder and the time of the next one are stored in one
transaction, so each is sent once, although the job may run in several processes. After a downtime
only one is sent, which says how much time is left.
"""

from functools import partial

from mail import emails
from models.accounts.account import Account
from models.action import Action, Transaction
from models.due_rows import handle_each
from models.identity.user import Staff, User
from models.support.legal_deadlines import next_deadline_reminder
from models.support.ticket import Ticket
from models.support.ticket_status import FINISHED_STATUSES


async def send_deadline_reminders(action: Action) -> int:
    """Send the due reminders of deadlines to the operators. Returns for how many requests.

    A request that fails is logged, tried again the next time, and doesn't hold up the others.
    """
    due_tickets = Ticket.filter(deadline_reminder_at__lte=action.at).exclude(
        status__in=FINISHED_STATUSES
    )
    return await handle_each(due_tickets, partial(_remind, action), "deadline_reminder.failed")


async def _remind(action: Action, ticket_id: int) -> bool:
    async with action.transaction() as tx:
        ticket = await tx.lock(Ticket, ticket_id)
        is_due = ticket.deadline_reminder_at is not None and (
            ticket.deadline_reminder_at <= action.at
        )
        if not is_due or ticket.is_finished or ticket.deadline_at is None:
            return False
        await _notify_operators(tx, ticket)
        ticket.deadline_reminder_at = next_deadline_reminder(ticket.deadline_at, action.at)
        await ticket.save(using_db=tx.db, update_fields=["deadline_reminder_at"])
    return True


async def _notify_operators(tx: Transaction, ticket: Ticket) -> None:
    account = await Account.get(pk=ticket.account_id, using_db=tx.db)
    agent = await User.get_or_none(pk=ticket.assignee_id or 0, using_db=tx.db)
    operators = User.filter(staff=Staff.OPERATOR, second_factor_at__not_isnull=True)
    for operator in await operators.using_db(tx.db).order_by("id"):
        await emails.send_deadline_reminder(tx, operator, account, ticket, agent)
