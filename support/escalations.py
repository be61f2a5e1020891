"""Escalating a problem that persists, and resolving the escalation.

Whoever escalates says what the problem is and what was tried; the earlier exchanges are attached
automatically. The supervisor with the fewest open escalations gets the ticket, at the highest
priority. Both sides are told by email and by events. While there is no supervisor, the escalation
waits for one.
"""

from datetime import timedelta
from functools import partial

from tortoise.expressions import Q

from auth.services import AuthServices
from mail import emails
from models.accounts.account import Account
from models.action import Action, Transaction
from models.checks import Checks
from models.due_rows import handle_each
from models.errors import CommonErrorCode, Forbidden, Refusal
from models.event import EventKind
from models.idempotency import earlier_result, owner_of, store_result
from models.identity.user import Staff, User
from models.support.agents import lock_agent
from models.support.audit_actions import SupportAuditAction
from models.support.classification import Priority
from models.support.errors import SupportErrorCode
from models.support.escalation import Escalation
from models.support.message import unused_key
from models.support.ticket import Ticket
from models.support.ticket_position import mark_transferred
from models.support.ticket_status import TicketStatus
from models.text import client_key, message_text
from models.translations import _, text
from support.classification import set_priority

TEXT_LENGTH = 3_500  # two of them and a label are one message
HISTORY_PERIOD = timedelta(days=90)
MAX_HISTORY = 20


async def escalate(
    action: Action,
    auth: AuthServices,
    user: User,
    ticket: Ticket,
    *,
    details: str,
    steps_tried: str,
    key: str,
) -> Escalation:
    """Escalate a ticket that the user sees, or the one that it was merged into. What a customer
    writes is posted in the ticket, and reopens it; a closed one gets a follow-up. A repeat of the
    key returns the escalation.

    `details` and `steps_tried` are as `escalation_texts` returns them. Raises ALREADY_ESCALATED,
    TRANSITION_ILLEGAL for a closed ticket of a deleted account, IDEMPOTENCY_MISMATCH and Throttled.
    """
    owner, arguments = owner_of(action), [ticket.pk, details, steps_tried]
    async with action.transaction() as tx:
        supervisor = await _lock_supervisor(tx)
        account = await Account.get(pk=ticket.account_id, using_db=tx.db)
        ticket = await ticket.lock_with_target(tx)
        if earlier_id := await earlier_result(tx, owner, "ticketEscalate", key, arguments):
            return await Escalation.get(pk=earlier_id, using_db=tx.db)
        await auth.count_message(user, None if user.staff else ticket.account_id)
        if ticket.status is TicketStatus.CLOSED:
            ticket = await ticket.lock_or_open_follow_up(tx, user)
        await _require_no_open_escalation(tx, ticket)
        escalation = await Escalation.create(
            using_db=tx.db,
            ticket=ticket,
            escalator=user,
            details=details,
            steps_tried=steps_tried,
            history=await _history(tx, ticket),
            at=action.at,
        )
        if user.staff is None:
            label = text(_("What has been tried:"), user.locale)
            body = f"{details}\n\n{label}\n{steps_tried}"
            await ticket.post(tx, user, body, unused_key("escalate"), is_final=True)
        await set_priority(tx, ticket, Priority.URGENT)
        if supervisor:
            await _assign(tx, escalation, ticket, supervisor, account)
        await ticket.append_event(tx, EventKind.TICKET_ESCALATED)
        await store_result(tx, owner, "ticketEscalate", key, escalation.pk)
        if user.staff is None:
            await emails.send_escalation_received(tx, user, ticket)
        tx.audit(SupportAuditAction.TICKET_ESCALATE, ticket)
    return escalation


def escalation_texts(check: Checks, details: str, steps_tried: str, key: str) -> tuple[str, str]:
    """The texts of an escalation. Adds BLANK and TOO_LONG to the checks."""
    check(client_key, key)
    return (
        check(message_text, details, "details", TEXT_LENGTH),
        check(message_text, steps_tried, "stepsTried", TEXT_LENGTH),
    )


async def resolve(action: Action, supervisor: User, ticket: Ticket, outcome: str) -> Ticket:
    """Resolve the open escalation of a ticket, with the outcome, which is posted as a reply to the
    customer. A repeat with the same outcome changes nothing.

    Raises NOT_ESCALATED and, for a closed ticket, TRANSITION_ILLEGAL.
    """
    async with action.transaction() as tx:
        await lock_agent(tx, supervisor.pk)
        ticket = await tx.lock(Ticket, ticket.pk)
        escalation = await _open_escalation(tx, ticket)
        if escalation is None:
            raise Refusal(SupportErrorCode.NOT_ESCALATED, "input", "ticketId")
        if ticket.status is TicketStatus.CLOSED:
            raise Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "ticketId")
        await ticket.post(tx, supervisor, outcome, unused_key("escalation"), is_final=True)
        escalation.resolved_at = action.at
        await escalation.save(using_db=tx.db, update_fields=["resolved_at"])
        await ticket.append_event(tx, EventKind.ESCALATION_RESOLVED)
        tx.audit(SupportAuditAction.ESCALATION_RESOLVE, ticket)
    return ticket


async def assign_waiting(action: Action) -> int:
    """Give escalations without a supervisor to one. Returns how many."""
    waiting = Escalation.filter(supervisor_id=None, resolved_at=None)
    return await handle_each(waiting, partial(_assign_waiting, action), "escalation.not_assigned")


async def _assign_waiting(action: Action, key: int) -> bool:
    waiting = await Escalation.get(pk=key).select_related("ticket__account")
    async with action.transaction() as tx:
        supervisor = await _lock_supervisor(tx)
        ticket = await tx.lock(Ticket, waiting.ticket_id)
        escalation = await Escalation.get(pk=key, using_db=tx.db)
        is_waiting = escalation.supervisor_id is None and escalation.resolved_at is None
        if supervisor is None or not is_waiting or ticket.is_finished:
            return False
        await _assign(tx, escalation, ticket, supervisor, waiting.ticket.account)
    return True


async def _lock_supervisor(tx: Transaction) -> User | None:
    """The active supervisor with the fewest open escalations, locked."""
    supervisors = User.filter(staff=Staff.SUPERVISOR, second_factor_at__not_isnull=True)
    keys = await supervisors.using_db(tx.db).values_list("id", flat=True)
    open_escalations = Escalation.filter(supervisor_id__in=keys, resolved_at=None)
    busy = await open_escalations.using_db(tx.db).values_list("supervisor_id", flat=True)
    for key in sorted(keys, key=lambda key: (list(busy).count(key), key)):
        try:
            return await lock_agent(tx, int(str(key)))
        except Forbidden:  # dismissed meanwhile
            continue
    return None


async def _open_escalation(tx: Transaction, ticket: Ticket) -> Escalation | None:
    return await Escalation.get_or_none(ticket_id=ticket.pk, resolved_at=None, using_db=tx.db)


async def _require_no_open_escalation(tx: Transaction, ticket: Ticket) -> None:
    if await _open_escalation(tx, ticket):
        raise Refusal(SupportErrorCode.ALREADY_ESCALATED, "input", "ticketId")


async def _history(tx: Transaction, ticket: Ticket) -> list[int]:
    """The keys of the tickets with the earlier exchanges, oldest first: the tickets that it
    continues, and what the company wrote about the same subject in the last months.
    """
    keys, followed_id = {ticket.pk}, ticket.follows_id
    while followed_id and followed_id not in keys and len(keys) < MAX_HISTORY:
        keys.add(followed_id)
        followed_id = (await Ticket.get(pk=followed_id, using_db=tx.db)).follows_id
    related = Ticket.filter(
        Q(account_id=ticket.account_id, category=ticket.category),
        updated_at__gte=tx.action.at - HISTORY_PERIOD,
    )
    recent = related.using_db(tx.db).order_by("-id").limit(MAX_HISTORY)
    for key in await recent.values_list("id", flat=True):
        if len(keys) < MAX_HISTORY:
            keys.add(int(str(key)))
    return sorted(keys)


async def _assign(
    tx: Transaction, escalation: Escalation, ticket: Ticket, supervisor: User, account: Account
) -> None:
    escalation.supervisor_id = supervisor.pk
    await escalation.save(using_db=tx.db, update_fields=["supervisor_id"])
    if ticket.assignee_id != supervisor.pk:
        if ticket.assignee_id:
            await mark_transferred(ticket.pk, ticket.assignee_id, tx.action.at, tx.db)
        await ticket.assign(tx, supervisor.pk, ticket.team_id)
    if ticket.status is TicketStatus.NEW:
        await ticket.set_status(tx, TicketStatus.OPEN)
    await emails.send_ticket_escalated(tx, supervisor, account, ticket, escalation)
