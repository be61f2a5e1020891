"""Splitting a ticket: a customer wrote about something else in it, which gets a ticket of its own.

The new ticket begins with copies of their messages and files, by their authors, and refers to the
original one. The messages stay there as well: what people have read doesn't disappear.
"""

from collections.abc import Sequence

from models.accounts.account import Account, AccountStatus, Membership
from models.action import Action, Transaction
from models.checks import require_keys
from models.errors import CommonErrorCode, Refusal
from models.event import EventKind
from models.idempotency import earlier_result, owner_of, store_result
from models.identity.user import User
from models.support.audit_actions import SupportAuditAction
from models.support.classification import Category
from models.support.file import File, copy_to_message
from models.support.message import Message
from models.support.ticket import Ticket
from models.translations import _

MAX_MESSAGES = 20
_OPERATION = "ticketSplit"


def copy_key(message_id: int) -> str:
    """The `client_message_id` of a copy of this message."""
    return f"split:{message_id}"


def message_keys(message_ids: Sequence[int | None]) -> tuple[int, ...]:
    """The keys of the messages to copy, each once. Raises NOT_FOUND and VALUE_INVALID."""
    keys = require_keys(message_ids, "messageIds")
    if not 1 <= len(keys) <= MAX_MESSAGES:
        message = _("Choose 1 to %(maximum)s messages.")
        raise Refusal(
            CommonErrorCode.VALUE_INVALID,
            "input",
            "messageIds",
            message=message,
            maximum=MAX_MESSAGES,
        )
    return keys


async def split(
    action: Action,
    ticket: Ticket,
    message_keys: Sequence[int],
    *,
    subject: str,
    category: Category,
    key: str,
) -> Ticket:
    """Open a ticket with copies of a customer's messages in another one. Returns the new ticket; a
    repeat of the key returns the same.

    Raises NOT_FOUND for messages that aren't in the ticket, that staff wrote or that were deleted,
    TRANSITION_ILLEGAL for a deleted account and IDEMPOTENCY_MISMATCH.
    """
    owner = owner_of(action)
    arguments = [ticket.pk, sorted(message_keys), subject, category.value]
    async with action.transaction() as tx:
        account = await tx.lock(Account, ticket.account_id)
        ticket = await tx.lock(Ticket, ticket.pk)
        if earlier_id := await earlier_result(tx, owner, _OPERATION, key, arguments):
            return await Ticket.get(pk=earlier_id, using_db=tx.db)
        if account.status is AccountStatus.ERASED:
            raise Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "ticketId")
        messages = await _messages(tx, ticket, message_keys)
        files = await tx.lock_rows(File.filter(message_id__in=message_keys, abandoned_at=None))
        new_ticket = await Ticket.open(
            tx,
            account,
            await _requester(tx, ticket, messages),
            is_live=False,
            subject=subject,
            channel=ticket.channel,
            category=category,
            split_from=ticket,
        )
        for message in messages:
            copy = await new_ticket.post(
                tx, message.author, message.body, copy_key(message.pk), is_final=True
            )
            own_files = [file for file in files if file.message_id == message.pk]
            await copy_to_message(tx, own_files, copy, message.author, account.pk)
        await ticket.append_event(tx, EventKind.TICKET_SPLIT)
        await store_result(tx, owner, _OPERATION, key, new_ticket.pk)
        tx.audit(SupportAuditAction.TICKET_SPLIT, new_ticket, original=ticket.pk)
    return new_ticket


async def _requester(tx: Transaction, ticket: Ticket, messages: Sequence[Message]) -> User:
    """The requester of the new ticket: the author of the first message, or else the ticket's
    requester, whoever hasn't left the company and can be told about replies.
    """
    author = messages[0].author
    members = Membership.filter(account_id=ticket.account_id, user_id=author.pk)
    if await members.using_db(tx.db).exists():
        return author
    return await User.get(pk=ticket.requester_id, using_db=tx.db)


async def _messages(tx: Transaction, ticket: Ticket, keys: Sequence[int]) -> list[Message]:
    """The messages with their authors, in their order."""
    found = Message.filter(
        pk__in=list(keys), ticket_id=ticket.pk, from_staff=False, deleted_at=None
    )
    messages = await found.using_db(tx.db).order_by("sequence").select_related("author")
    if len(messages) != len(set(keys)):
        message = _("Choose messages that customers wrote in this ticket and haven’t deleted.")
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "messageIds", message=message)
    return messages
