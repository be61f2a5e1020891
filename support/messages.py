"""Posting a message in a ticket: in a single statement if nothing else changes, otherwise step by
step.

In an ongoing conversation a message changes no status: the ticket's time is updated, the stream
supplies the next number, and the message and its event are stored under it. PostgreSQL does this in
one statement, which is its own transaction and takes a fifth of the time. It also moves the
author's read position, and tells the account's stream about a message of staff. The statement only
applies if the steps would do exactly the same; in all other cases (the customer starts waiting, a
first response, a ticket that nobody has or that is snoozed, a draft, reopening, a follow-up, files,
a repeat) it matches no row, and the steps run under the lock of the ticket. They also check for
answers that the author hasn't seen, if that is requested.

Of two concurrent messages the second waits for the ticket's row and then sees what the first one
changed, except the first one's message: if it has the same key, the unique constraint (origin,
author, client_message_id) stops the second, and the steps find the first.
"""

from collections.abc import Sequence
from functools import cache

from asyncpg import UniqueViolationError
from tortoise.connection import get_connection
from tortoise.exceptions import IntegrityError

from auth.services import AuthServices
from models.action import Action
from models.checks import Checks, require_keys
from models.database.instances import RowFactory, row_factory
from models.database.postgres import PostgresClient
from models.database.reading import read
from models.errors import CommonErrorCode, Refusal, Throttled
from models.event import EventKind, account_stream, ticket_stream
from models.identity.user import User
from models.measurements import EVENTS
from models.support.message import AnsweredMeanwhile, Message
from models.support.ticket import Ticket
from models.support.ticket_status import STATUSES_REOPENED_BY_CUSTOMERS, TicketStatus
from models.text import client_key, message_text, optional_message_text
from models.tracing import current_traceparent
from models.viewer import Viewer
from support.chat_deferral import tell_of_follow_up


async def reply(
    action: Action,
    auth: AuthServices,
    viewer: Viewer,
    ticket_id: int | None,
    body: str,
    client_message_id: str,
    file_ids: Sequence[int | None] = (),
    *,
    seen_sequence: int | None = None,
) -> Message:
    """Append a message to a ticket that the viewer sees, as `Ticket.reply` does. A customer whose
    reply to a closed chat opens a follow-up that nobody answers live is notified by email.

    Raises BLANK, TOO_LONG, NOT_FOUND, FILE_REFUSED, TRANSITION_ILLEGAL, IDEMPOTENCY_MISMATCH for an
    id with which the author has sent a different message, AnsweredMeanwhile as `Ticket.reply` does,
    and Throttled, except for a repeat, which returns the stored message and doesn't count.
    """
    assert viewer.user is not None, "only signed-in viewers see tickets"  # noqa: S101
    with Checks() as check:
        text = check(optional_message_text if file_ids else message_text, body)
        key = check(client_key, client_message_id, "clientMessageId")
        files = check(require_keys, file_ids, "fileIds")
        if not check.is_valid:
            await check.wait(_visible_ticket(viewer, ticket_id))
    company_id = viewer.account.pk if viewer.account else None
    try:
        await auth.count_message(viewer.user, company_id)
    except Throttled:
        for ticket in await _visible_tickets(viewer, ticket_id):
            if sent_message := await Message.find_sent(ticket.pk, viewer.user, text, key, files):
                return sent_message
        raise
    if (
        ticket_id
        and not files
        and seen_sequence is None
        and (
            message := await _post_in_one_statement(
                action, viewer, viewer.user, ticket_id, text, key
            )
        )
    ):
        return message
    ticket = await _visible_ticket(viewer, ticket_id)
    if sent_message := await Message.find_sent(ticket.pk, viewer.user, text, key, files):
        await auth.uncount_message(viewer.user, company_id)
        return sent_message
    try:
        async with action.transaction() as tx:
            message = await ticket.post_reply(
                tx, viewer.user, text, key, files, seen_sequence=seen_sequence
            )
            await tell_of_follow_up(tx, message)
        return message
    except AnsweredMeanwhile:
        await auth.uncount_message(viewer.user, company_id)
        raise


async def _visible_tickets(viewer: Viewer, ticket_id: int | None) -> list[Ticket]:
    """The ticket, empty if the viewer can't see it."""
    return await read(Ticket.visible_to(viewer).filter(id=ticket_id)) if ticket_id else []


async def _visible_ticket(viewer: Viewer, ticket_id: int | None) -> Ticket:
    tickets = await _visible_tickets(viewer, ticket_id)
    if not tickets:
        raise Refusal(CommonErrorCode.NOT_FOUND, "input", "ticketId")
    return tickets[0]


async def _post_in_one_statement(
    action: Action, viewer: Viewer, author: User, ticket_id: int, text: str, client_message_id: str
) -> Message | None:
    db, from_staff = get_connection("default"), author.staff is not None
    # The rule of Ticket.visible_to.
    company_id = viewer.account.pk if viewer.account and not viewer.is_agent else None
    # SQLite has no such statement.
    if not isinstance(db, PostgresClient) or not (viewer.is_agent or company_id):
        return None
    values = [
        ticket_id,
        author.pk,
        text,
        client_message_id,
        action.at,
        from_staff,
        company_id,
        ticket_stream(ticket_id),
    ]
    traceparent = current_traceparent()
    statement = _post_statement(from_staff=from_staff, is_traced=traceparent is not None)
    try:
        records = await db.read(statement, [*values, *([traceparent] if traceparent else [])])
    except (IntegrityError, UniqueViolationError):
        # The ORM's or the driver's own, as the connection came.
        return None
    if not records:
        return None
    message_id, sequence, account_id = records[0]
    EVENTS.add("ticket")
    if from_staff:
        EVENTS.add("account")
    action.bus.announce(
        [ticket_stream(ticket_id), *([account_stream(account_id)] if from_staff else ())]
    )
    row = (message_id, sequence, ticket_id, ticket_id, *values[1:6], False, None, None)
    message: Message = _message_factory()([row])[0]
    return message


@cache
def _message_factory() -> RowFactory:
    columns = (
        "id",
        "sequence",
        "ticket_id",
        "origin_id",
        "author_id",
        "body",
        "client_message_id",
        "at",
        "from_staff",
        "is_final",
        "edited_at",
        "deleted_at",
    )
    return row_factory(Message, columns, "postgres")


_POST_TEMPLATE = """
WITH unchanged AS (
    UPDATE ticket SET updated_at = $5{also}
    WHERE id = $1 AND account_id = COALESCE($7, account_id) AND status IN ({statuses})
      AND {settled} IS NOT NULL {condition}
      AND NOT EXISTS (SELECT FROM message WHERE origin_id = $1 AND author_id = $2
      AND client_message_id = $4)
    RETURNING id, account_id
), numbered AS (
    INSERT INTO stream (key, last_sequence) SELECT $8, 1 FROM unchanged
    ON CONFLICT (key) DO UPDATE SET last_sequence = stream.last_sequence + 1
    RETURNING key, last_sequence
), stored AS (
    INSERT INTO message (ticket_id, origin_id, author_id, sequence, body, client_message_id, at,
    from_staff)
    SELECT $1::bigint, $1, $2::bigint, last_sequence, $3::text, $4::text, $5::timestamptz,
    $6::boolean FROM numbered
    RETURNING id, sequence
), event_row AS (
    INSERT INTO event (stream, sequence, kind, at, actor_id, ticket_id, message_id{traced})
    SELECT key, sequence, '{kind}', $5, $2, $1, id{trace} FROM stored CROSS JOIN numbered
), read AS (
    INSERT INTO ticket_position AS position (ticket_id, user_id, is_staff, read_sequence)
    SELECT $1, $2, $6, sequence FROM stored
    ON CONFLICT (ticket_id, user_id) DO UPDATE SET read_sequence = excluded.read_sequence
    WHERE position.read_sequence < excluded.read_sequence
){account_event}
SELECT stored.id, sequence, account_id FROM stored CROSS JOIN unchanged
"""
# After the ticket's stream, in the order in which all transactions lock them.
_ACCOUNT_EVENT = """, account_numbered AS (
    INSERT INTO stream (key, last_sequence)
    SELECT 'account:' || account_id, 1 FROM stored CROSS JOIN unchanged
    ON CONFLICT (key) DO UPDATE SET last_sequence = stream.last_sequence + 1
    RETURNING key, last_sequence
), account_told AS (
    INSERT INTO event (stream, sequence, kind, at, actor_id, ticket_id, message_id{traced})
    SELECT key, last_sequence, '{kind}', $5, $2, $1, id{trace}
    FROM stored CROSS JOIN account_numbered
)"""


@cache
def _post_statement(*, from_staff: bool, is_traced: bool) -> str:
    """The statement for a message of staff or of a customer. When it is traced, its events get the
    `traceparent` in $9.
    """
    events = {
        "kind": EventKind.MESSAGE_POSTED,
        "traced": ", traceparent" if is_traced else "",
        "trace": ", $9::text" if is_traced else "",
    }
    if from_staff:
        return _POST_TEMPLATE.format(
            settled="first_response_at",
            also=_ANSWERING,
            condition=_CAN_ANSWER,
            statuses=_statuses_except(TicketStatus.NEW, TicketStatus.CLOSED),
            account_event=_ACCOUNT_EVENT.format(**events),
            **events,
        )
    return _POST_TEMPLATE.format(
        settled="reply_awaited_since",
        also="",
        condition="AND snoozed_until IS NULL",
        statuses=_statuses_except(*STATUSES_REOPENED_BY_CUSTOMERS, TicketStatus.CLOSED),
        account_event="",
        **events,
    )


_ANSWERING = (
    ", answered_at = CASE WHEN reply_awaited_since IS NULL THEN answered_at ELSE $5 END,"
    " reply_awaited_since = NULL,"
    " reply_email_pending_since = COALESCE(reply_email_pending_since, $5)"
)
_CAN_ANSWER = (
    "AND assignee_id IS NOT NULL"
    " AND NOT EXISTS (SELECT FROM draft WHERE ticket_id = $1 AND user_id = $2)"
)


def _statuses_except(*excluded: TicketStatus) -> str:
    return ", ".join(f"'{status}'" for status in TicketStatus if status not in excluded)
