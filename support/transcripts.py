"""The transcript of a ticket by email: everything that both sides wrote, including in tickets that
were merged into it, without internal notes.

Members have it sent to themselves, agents to the requester. When a conversation is too long for an
email, it contains the latest messages.
"""

from collections.abc import Sequence

from auth import throttle
from auth.services import AuthServices
from mail import emails
from models.accounts.account import Account, AccountStatus, Membership
from models.action import Action, Transaction
from models.errors import Refusal
from models.event import positions_stream
from models.idempotency import earlier_result, has_earlier_result, store_result
from models.identity.errors import IdentityErrorCode
from models.identity.user import User
from models.support.audit_actions import SupportAuditAction
from models.support.errors import SupportErrorCode
from models.support.file import File
from models.support.message import Message
from models.support.ticket import Ticket
from models.support.ticket_position import mark_emailed
from support.incoming.matching import thread_of
from support.merging import with_merged

MAX_CHARACTERS = 300_000  # of all messages: mail servers accept such an email
_OPERATION = "ticketSendTranscript"


async def send_transcript(
    action: Action, auth: AuthServices, sender: User, ticket: Ticket, key: str
) -> User:
    """Send the transcript of a ticket to its sender, or to the requester when the sender is staff.
    Returns the recipient. A repeat with the same idempotency key sends nothing.

    Raises RECIPIENT_LEFT when the requester has left the company, EMAIL_UNVERIFIED,
    IDEMPOTENCY_MISMATCH, and Throttled.
    """
    recipient = await User.get(pk=ticket.requester_id) if sender.staff else sender
    owner, arguments = f"user:{sender.pk}", [ticket.pk]
    if not await has_earlier_result(owner, _OPERATION, key):
        await auth.throttle.attempt(throttle.key(throttle.TRANSCRIPT, recipient.pk))
    async with action.transaction() as tx:
        # With the company's row locked no member leaves until the email is stored.
        account = await tx.lock(Account, ticket.account_id)
        ticket = await tx.lock(Ticket, ticket.pk)
        if await earlier_result(tx, owner, _OPERATION, key, arguments):
            return recipient
        await _require_member(tx, account, recipient)
        await _send(tx, ticket, recipient)
        tx.audit(SupportAuditAction.TICKET_SEND_TRANSCRIPT, ticket, recipient=recipient.pk)
        await store_result(tx, owner, _OPERATION, key, ticket.pk)
    return recipient


async def _require_member(tx: Transaction, account: Account, recipient: User) -> None:
    memberships = Membership.filter(account_id=account.pk, user_id=recipient.pk)
    is_member = await memberships.using_db(tx.db).exists()
    if account.status is AccountStatus.ERASED or not is_member:
        raise Refusal(SupportErrorCode.RECIPIENT_LEFT, "input", "ticketId")
    if recipient.email_verified_at is None:
        raise Refusal(IdentityErrorCode.EMAIL_UNVERIFIED, "input", "ticketId")


async def _send(tx: Transaction, ticket: Ticket, recipient: User) -> None:
    tickets = await with_merged(tx, ticket)
    rows = Message.filter(ticket_id__in=[each.pk for each in tickets]).using_db(tx.db)
    messages: list[Message] = []
    length = omitted_count = 0
    async for message in rows.order_by("-at", "-id").select_related("author"):
        length += len(message.body)
        if length > MAX_CHARACTERS and messages:
            omitted_count += 1
        else:
            messages.append(message)
    messages.reverse()
    await emails.send_ticket_transcript(
        tx,
        recipient,
        ticket,
        messages,
        await file_names(tx, messages),
        omitted_count,
        thread=await thread_of(tx, ticket.pk, recipient.pk),
    )
    sent = [message.sequence for message in messages if message.ticket_id == ticket.pk]
    if sent and not omitted_count:  # no email about replies repeats them
        await mark_emailed(ticket.pk, recipient.pk, max(sent), tx.db)
        tx.advance(positions_stream(ticket.pk))


async def file_names(tx: Transaction, messages: Sequence[Message]) -> dict[int, list[str]]:
    """The names of the files attached to each of these messages, by key."""
    names: dict[int, list[str]] = {}
    keys = [message.pk for message in messages]
    for start in range(0, len(keys), 500):
        files = File.filter(message_id__in=keys[start : start + 500]).using_db(tx.db)
        for file in await files.order_by("id"):
            names.setdefault(file.message_id or 0, []).append(file.name)
    return names
