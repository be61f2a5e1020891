"""Opening and closing tickets.

Legal requests (`LEGAL_DEADLINES`) are closed only by those whose request it is: the
requester and the owners of the company. Staff close them, or mark them as solved, with a reason,
which the GDPR requires (Article 12(4)). The requester and the owners are told by email each time.

Among the members, the same people close the ticket of a dispute that nobody has decided. Staff
decide the dispute, which solves its ticket.
"""

from auth.services import AuthServices
from mail import emails
from models.accounts.account import Account, AccountMembers, Membership, Role
from models.action import Action, Transaction
from models.billing.dispute import Dispute
from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.idempotency import earlier_result, store_result
from models.identity.user import User
from models.support.classification import Category, Channel
from models.support.errors import SupportErrorCode
from models.support.live_chat import find_chat
from models.support.message import Message, unused_key
from models.support.ticket import SUBJECT_LENGTH, Ticket
from models.support.ticket_status import FINISHED_STATUSES, TicketStatus
from models.text import client_key, masked_line, message_text
from models.translations import _
from support.chat_deferral import tell_requester

REASON_LENGTH = 1_000

_OPERATION = "ticketOpen"
_CUSTOMER_CHANNELS = (Channel.CHAT, Channel.WEB)


async def open_ticket(
    action: Action,
    auth: AuthServices,
    account: Account,
    requester: User,
    *,
    channel: Channel,
    category: Category,
    subject: str,
    body: str,
    key: str,
) -> Ticket:
    """Open a ticket of a company with its first message. The same idempotency key returns the same
    ticket.

    A chat that nobody can answer now is a ticket from the start, and the requester is notified by
    email.

    Raises VALUE_INVALID for a channel that customers can't choose, BLANK and TOO_LONG for the
    texts, IDEMPOTENCY_MISMATCH when the key was used with other arguments, and Throttled, which
    stores nothing: a repeat doesn't count.
    """
    with Checks() as check:
        subject = check(masked_line, subject, "subject", SUBJECT_LENGTH)
        body = check(message_text, body)
        check(_require_channel, channel)
        key = check(client_key, key)
    owner = f"user:{requester.pk}"
    arguments = [account.pk, subject, body, channel.value, category.value]
    async with action.transaction() as tx:
        if earlier_id := await earlier_result(tx, owner, _OPERATION, key, arguments):
            return await Ticket.get(pk=earlier_id, using_db=tx.db)
        await auth.count_ticket(requester, account.pk)
        ticket = await Ticket.open(
            tx,
            account,
            requester,
            is_live=None,
            subject=subject,
            channel=channel,
            category=category,
        )
        await ticket.post(tx, requester, body, f"open:{key}"[:64])
        chat = await find_chat(ticket, tx.db)
        if chat and not chat.is_live:
            await tell_requester(tx, ticket)
        await store_result(tx, owner, _OPERATION, key, ticket.pk)
    return ticket


def _require_channel(channel: Channel) -> None:
    if channel not in _CUSTOMER_CHANNELS:
        raise Refusal(
            CommonErrorCode.VALUE_INVALID,
            "input",
            "channel",
            message=_("Open a ticket by chat or from the website."),
        )


def closing_reason(text: str | None) -> str | None:
    """The reason for closing a ticket, None when there is none. Raises BLANK and TOO_LONG."""
    return message_text(text, "reason", REASON_LENGTH) if text else None


async def change_status(
    action: Action, user: User, ticket: Ticket, status: TicketStatus, reason: str | None
) -> Ticket:
    """Change the status of a ticket that the user sees. A `reason`, as `closing_reason` returns it,
    is posted in the ticket. A repeat changes nothing.

    Raises TRANSITION_ILLEGAL, with the statuses that are possible, and for staff when a dispute
    has to be decided first. CLOSING_RESERVED for members when a legal request or a dispute isn't
    theirs, and for legal requests also BLANK, when staff give no reason.
    """
    async with action.transaction() as tx:
        is_legal_request = ticket.deadline_at is not None
        is_disputed = await Dispute.is_open_in(tx, ticket.pk)
        is_reserved = is_legal_request or is_disputed
        # Accounts are locked before tickets.
        members = await AccountMembers.lock(tx, ticket.account_id) if is_reserved else None
        ticket = await tx.lock(Ticket, ticket.pk)
        if ticket.status is status:
            return ticket
        is_finishing = status in FINISHED_STATUSES
        is_answer = is_legal_request and is_finishing and not ticket.is_finished
        if members and is_finishing:
            _require_right_to_close(members, user, ticket)
        if is_disputed and is_finishing and user.staff:
            raise open_dispute_refusal()
        if is_answer and user.staff and reason is None:
            raise Refusal(CommonErrorCode.BLANK, "input", "reason")
        message = await _post_reason(tx, ticket, user, reason) if reason else None
        await ticket.apply_transition(tx, status, message)
        if is_answer:
            notified_user_ids = await _notify(tx, ticket, user, reason)
            if message and message.from_staff:
                await ticket.record_emailed(tx, message, notified_user_ids)
    return ticket


def _require_right_to_close(members: AccountMembers, user: User, ticket: Ticket) -> None:
    membership = members.membership(user.pk)
    is_owner = membership is not None and membership.role is Role.OWNER
    if not (user.staff or is_owner or (membership and ticket.requester_id == user.pk)):
        raise Refusal(SupportErrorCode.CLOSING_RESERVED, "input", "ticketId")


def open_dispute_refusal() -> Refusal:
    """Says that a ticket can't be solved or closed before the dispute in it is decided."""
    message = _("An invoice is disputed in this ticket. Accept or reject the dispute first.")
    return Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "ticketId", message=message)


async def _post_reason(tx: Transaction, ticket: Ticket, user: User, text: str) -> Message:
    return await ticket.post(tx, user, text, unused_key("reason"), is_final=True)


async def _notify(tx: Transaction, ticket: Ticket, actor: User, reason: str | None) -> set[int]:
    """Notify the requester, if they are still a member, and the owners that their request was
    closed. Returns their keys.
    """
    user_ids = set()
    account = await Account.get(pk=ticket.account_id, using_db=tx.db)
    memberships = (
        Membership.filter(account_id=ticket.account_id)
        .using_db(tx.db)
        .select_related("user")
        .order_by("id")
    )
    for membership in await memberships:
        if membership.role is Role.OWNER or membership.user_id == ticket.requester_id:
            await emails.send_request_closed(
                tx, membership.user, account, ticket, actor=actor, reason=reason
            )
            user_ids.add(membership.user_id)
    return user_ids
