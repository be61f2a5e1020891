"""Edits and deletions of one's own messages, and reactions.

A change is an event of the ticket, so that everybody who has received the message learns about it,
even after a lost connection. What an edit or a deletion replaced is kept as a version, which
supervisors read. Copies in tickets that were split off change with the message. Emails that were
sent before stay as they are.
"""

from collections.abc import Sequence
from datetime import timedelta

from tortoise.backends.base.client import BaseDBAsyncClient

from auth.services import AuthServices
from models.action import Action, Transaction
from models.database.sql import execute
from models.errors import CommonErrorCode, Refusal, TransactionConflict
from models.event import INBOX, EventKind, account_stream, ticket_stream
from models.identity.user import User
from models.support.audit_actions import SupportAuditAction
from models.support.call import Call, CallOutcome
from models.support.errors import SupportErrorCode
from models.support.file import File
from models.support.merge import merge_targets, merged_ticket_ids
from models.support.message import AUTOMATIC, Message, MessageVersion
from models.support.reaction import Reaction, ReactionKind
from models.support.search_entry import indexed_stems
from models.support.ticket import Ticket
from models.support.ticket_position import TicketPosition
from models.support.ticket_status import TicketStatus
from models.text import optional_message_text
from support.splitting import copy_key

CHANGE_PERIOD = timedelta(minutes=15)  # after a message was posted


async def new_text(message: Message | None, body: str) -> str:
    """The text of a message as it may be stored. Only a message with files may be blank. Raises
    BLANK and TOO_LONG.
    """
    text = optional_message_text(body)
    if not text and not (message and await File.filter(message_id=message.pk).exists()):
        raise Refusal(CommonErrorCode.BLANK, "input", "body")
    return text


async def edit_message(
    action: Action, auth: AuthServices, user: User, message: Message, text: str
) -> Message:
    """Replace the text of a message by another one, as `new_text` returns it. A repeat changes
    nothing, also after CHANGE_PERIOD.

    Raises NOT_AUTHOR, MESSAGE_FINAL, CHANGE_PERIOD_OVER, and Throttled.
    """
    if message.body == text and message.deleted_at is None and message.author_id == user.pk:
        return message
    await auth.count_message(user, action.origin.account_id)
    async with action.transaction() as tx:
        ticket, standing, message, copies = await _lock_own(tx, user, message)
        if message.deleted_at:
            raise Refusal(SupportErrorCode.MESSAGE_FINAL, "input", "messageId")
        if message.body == text:
            return message
        _require_changeable(action, standing, message)
        for each in (message, *copies):
            await _store_version(tx, ticket, each, SupportAuditAction.MESSAGE_EDIT)
            each.body, each.edited_at = text, action.at
            await each.save(using_db=tx.db, update_fields=["body", "edited_at"])
            await _index(each, tx.db)
        await _append_events(tx, standing, (message, *copies), EventKind.MESSAGE_EDITED)
    return message


async def delete_message(action: Action, user: User, message: Message) -> Message:
    """Delete the text, the files and the reactions of a message. Its place, author and time remain.
    When it was the only reply of staff, the customer waits again. A repeat changes nothing.

    Raises NOT_AUTHOR, MESSAGE_FINAL and CHANGE_PERIOD_OVER.
    """
    async with action.transaction() as tx:
        ticket, standing, message, copies = await _lock_own(tx, user, message)
        if message.deleted_at:
            return message
        _require_changeable(action, standing, message)
        for each in (message, *copies):
            await _store_version(tx, ticket, each, SupportAuditAction.MESSAGE_DELETE)
            each.body, each.deleted_at = "", action.at
            await each.save(using_db=tx.db, update_fields=["body", "deleted_at"])
        keys = [each.pk for each in (message, *copies)]
        await Reaction.filter(message_id__in=keys).using_db(tx.db).delete()
        for each in (message, *copies):
            await _index(each, tx.db)
        for file in await tx.lock_rows(File.filter(message_id__in=keys)):
            # A job deletes the content: storage/abandoned_files.py.
            file.message_id, file.abandoned_at = None, action.at
            await file.save(using_db=tx.db, update_fields=["message_id", "abandoned_at"])
        is_reply_awaited = message.from_staff and await _continue_wait(tx, standing)
        await _append_events(tx, standing, (message, *copies), EventKind.MESSAGE_DELETED)
        if is_reply_awaited:
            status = standing.status.value
            await tx.append(INBOX, EventKind.REPLY_AWAITED, ticket_id=standing.pk, status=status)
    return message


async def _continue_wait(tx: Transaction, ticket: Ticket) -> bool:
    """When no reply to the customer is left, let them wait again, since the time they wrote.
    Unanswered calls, and what automations posted, aren't replies. Returns whether the customer
    waits.
    """
    if ticket.is_finished or ticket.reply_awaited_since:
        return False
    ticket_ids = [ticket.pk, *(await merged_ticket_ids(ticket.pk, tx.db))]
    messages = Message.filter(ticket_id__in=ticket_ids, deleted_at=None).using_db(tx.db)
    attempts = Call.filter(ticket_id__in=ticket_ids).exclude(outcome=CallOutcome.ANSWERED)
    attempt_ids = await attempts.using_db(tx.db).values_list("message_id", flat=True)
    replies = messages.filter(~AUTOMATIC, from_staff=True).exclude(pk__in=attempt_ids)
    reply = await replies.order_by("-id").first()
    unanswered = messages.filter(from_staff=False, pk__gt=reply.pk if reply else 0)
    first = await unanswered.order_by("id").first()
    if first:
        await ticket.continue_wait(tx, first.at)
    return first is not None


async def may_have_been_emailed(message: Message) -> bool:
    """Whether an email may contain the message: one was sent about later messages or this one."""
    return (
        message.from_staff
        and await TicketPosition.filter(
            ticket_id=message.ticket_id, emailed_sequence__gte=message.sequence
        ).exists()
    )


async def _lock_own(
    tx: Transaction, user: User, message: Message
) -> tuple[Ticket, Ticket, Message, list[Message]]:
    """Lock the ticket, the one that it was merged into (or else itself), the message, and its
    copies in tickets that were split off, including copies of copies.
    """
    if message.author_id != user.pk:
        raise Refusal(SupportErrorCode.NOT_AUTHOR, "input", "messageId")
    ticket = await Ticket.get(pk=message.ticket_id, using_db=tx.db)
    ticket_ids = await _split_off(tx, ticket)
    targets = await merge_targets(ticket.pk, tx.db)
    related = Ticket.filter(pk__in=[ticket.pk, *ticket_ids, *targets])
    tickets = {row.pk: row for row in await tx.lock_rows(related)}
    ticket = tickets[ticket.pk]
    if (
        await _split_off(tx, ticket) != ticket_ids
        or await merge_targets(ticket.pk, tx.db) != targets
    ):
        raise TransactionConflict("split or merged")
    keys, level = [message.pk], [message.pk]
    while level and ticket_ids:
        copies = Message.filter(
            origin_id__in=ticket_ids,
            author_id=user.pk,
            client_message_id__in=[copy_key(key) for key in level],
        )
        level = [each.pk for each in await copies.using_db(tx.db)]
        keys += level
    locked = {row.pk: row for row in await tx.lock_rows(Message.filter(pk__in=keys))}
    standing = tickets[targets[-1]] if targets else ticket
    return ticket, standing, locked.pop(message.pk), list(locked.values())


async def _split_off(tx: Transaction, ticket: Ticket) -> list[int]:
    """The tickets that were split off from a ticket, directly or through others."""
    tickets = Ticket.filter(account_id=ticket.account_id).using_db(tx.db)  # which is indexed
    found, level = list[int](), [ticket.pk]
    while level:
        split_off = tickets.filter(split_from_id__in=level).order_by("id")
        level = [int(str(key)) for key in await split_off.values_list("id", flat=True)]
        found += level
    return found


def _require_changeable(action: Action, ticket: Ticket, message: Message) -> None:
    """Raise MESSAGE_FINAL and CHANGE_PERIOD_OVER for a message in this ticket."""
    if message.is_final or ticket.status is TicketStatus.CLOSED:
        raise Refusal(SupportErrorCode.MESSAGE_FINAL, "input", "messageId")
    if action.at > message.at + CHANGE_PERIOD:
        minutes = round(CHANGE_PERIOD.total_seconds() / 60)
        raise Refusal(SupportErrorCode.CHANGE_PERIOD_OVER, "input", "messageId", minutes=minutes)


async def _store_version(
    tx: Transaction, ticket: Ticket, message: Message, audit_action: SupportAuditAction
) -> None:
    """Keep the text that is about to be replaced. The audit log refers to it, and contains no
    text.
    """
    version = await MessageVersion.create(
        using_db=tx.db, message_id=message.pk, body=message.body, replaced_at=tx.action.at
    )
    tx.audit(audit_action, message, ticket.account_id, ticketId=ticket.pk, versionId=version.pk)


async def _index(message: Message, db: BaseDBAsyncClient) -> None:
    """Update the search entry of the message. For a deleted message the entry stays, without words,
    because the job that indexes messages may still hold the former text.
    """
    await execute(
        "INSERT INTO search_entry (ticket_id, message_id, internal, stems) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (message_id) DO UPDATE SET stems = excluded.stems",
        message.ticket_id,
        message.pk,
        False,
        indexed_stems(message.body),
        db=db,
    )


async def _append_events(
    tx: Transaction, ticket: Ticket, messages: Sequence[Message], kind: EventKind
) -> None:
    """Append events for everybody who has the messages, including those who follow the ticket into
    which that of the first message was merged.
    """
    followed = {messages[0].ticket_id, ticket.pk}
    for message in messages:
        values = {"ticket_id": message.ticket_id, "message_id": message.pk}
        for ticket_id in sorted(followed | {message.ticket_id}):
            await tx.append(ticket_stream(ticket_id), kind, **values)
        followed = set()
        if message.from_staff:
            await tx.append(account_stream(ticket.account_id), kind, **values)
        else:
            await tx.append(INBOX, EventKind.TICKET_UPDATED, ticket_id=message.ticket_id)


async def add_reaction(
    action: Action, auth: AuthServices, user: User, message: Message, kind: ReactionKind
) -> Message:
    """React to a message. A repeat changes nothing. Raises NOT_FOUND for a deleted message, and
    Throttled.
    """
    reactions = Reaction.filter(message_id=message.pk, user_id=user.pk, kind=kind)
    if await reactions.exists():
        return message
    await auth.count_message(user, action.origin.account_id)
    async with action.transaction() as tx:
        message = await _lock(tx, message)
        if message.deleted_at:
            raise Refusal(CommonErrorCode.NOT_FOUND, "input", "messageId")
        inserted = await execute(
            "INSERT INTO reaction (message_id, user_id, kind) VALUES (?, ?, ?) "
            "ON CONFLICT (message_id, user_id, kind) DO NOTHING RETURNING id",
            message.pk,
            user.pk,
            kind.value,
            db=tx.db,
        )
        if inserted:
            await _append_reaction_event(tx, message)
    return message


async def remove_reaction(
    action: Action, user: User, message: Message, kind: ReactionKind
) -> Message:
    """Remove a reaction. A repeat changes nothing."""
    async with action.transaction() as tx:
        message = await _lock(tx, message)
        reactions = Reaction.filter(message_id=message.pk, user_id=user.pk, kind=kind)
        if await reactions.using_db(tx.db).delete():
            await _append_reaction_event(tx, message)
    return message


async def _lock(tx: Transaction, message: Message) -> Message:
    await tx.lock(Ticket, message.ticket_id)
    return await tx.lock(Message, message.pk)


async def _append_reaction_event(tx: Transaction, message: Message) -> None:
    await tx.append(
        ticket_stream(message.ticket_id),
        EventKind.REACTIONS_CHANGED,
        ticket_id=message.ticket_id,
        message_id=message.pk,
    )
