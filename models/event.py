"""Stored events, which all live subscriptions read.

A stream is a sequence of events numbered 1, 2, 3, ... under a key. There is one stream for each
ticket, account and agent, and one for the agents' inbox. An event takes its number inside the
transaction that stores the change it reports, by adding one to the number in the stream's row. That
row stays locked until the commit, so numbers become visible in order and without gaps: a reader
that has seen n can't have missed n - 1. A reader is a key and a number; the events it has not read
yet wait in the database, not in memory. See docs/decisions/0004-streams.md.

Everybody who opens a ticket waits for the row of the inbox. So a transaction collects its events,
and takes their numbers and stores them in its last statement before the commit (`append_events`).
Only the numbers of a ticket's stream are taken at once: its messages have them, and whoever has
locked the ticket owns its stream.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.database.reading import read
from models.database.sql import dialect, execute
from models.database.writing import insert_all
from models.tracing import TRACEPARENT_LENGTH

if TYPE_CHECKING:
    from models.billing.invoice import Invoice
    from models.billing.purchase import Purchase
    from models.identity.user import User
    from models.support.message import Message
    from models.support.ticket import Ticket

INBOX = "inbox"  # the key of the agents' stream, with what concerns them in all tickets


def ticket_stream(ticket_id: int) -> str:
    """The key of a ticket's stream."""
    return f"ticket:{ticket_id}"


def account_stream(account_id: int) -> str:
    """The key of an account's stream."""
    return f"account:{account_id}"


def positions_stream(ticket_id: int) -> str:
    """The key under which changes of a ticket's positions are announced. It counts them, and has no
    events.
    """
    return f"positions:{ticket_id}"


def writers_stream(ticket_id: int) -> str:
    """The key under which changes of the drafts in a ticket are announced. It counts them, and has
    no events.
    """
    return f"writers:{ticket_id}"


def agent_stream(user_id: int) -> str:
    """The key of the stream of events that an agent is notified of."""
    return f"agent:{user_id}"


class EventKind(StrEnum):
    """What happened."""

    TICKET_OPENED = "TICKET_OPENED"
    MESSAGE_POSTED = "MESSAGE_POSTED"
    MESSAGE_EDITED = "MESSAGE_EDITED"
    MESSAGE_DELETED = "MESSAGE_DELETED"
    REACTIONS_CHANGED = "REACTIONS_CHANGED"
    TICKET_ASSIGNED = "TICKET_ASSIGNED"
    STATUS_CHANGED = "STATUS_CHANGED"
    REPLY_AWAITED = "REPLY_AWAITED"
    CATEGORY_CHANGED = "CATEGORY_CHANGED"
    TICKET_UPDATED = "TICKET_UPDATED"
    NOTE_ADDED = "NOTE_ADDED"
    SCHEDULED_REPLY_CHANGED = "SCHEDULED_REPLY_CHANGED"
    SCHEDULED_REPLY_OVERTAKEN = "SCHEDULED_REPLY_OVERTAKEN"
    SCHEDULED_REPLY_NOT_SENT = "SCHEDULED_REPLY_NOT_SENT"
    CALL_UNMATCHED = "CALL_UNMATCHED"
    TEAM_CHANGED = "TEAM_CHANGED"
    SLA_WARNING = "SLA_WARNING"
    SLA_BREACHED = "SLA_BREACHED"
    TICKET_ESCALATED = "TICKET_ESCALATED"
    ESCALATION_RESOLVED = "ESCALATION_RESOLVED"
    TICKET_MERGED = "TICKET_MERGED"
    TICKET_SPLIT = "TICKET_SPLIT"
    TICKET_UNMERGED = "TICKET_UNMERGED"
    RATING_REQUESTED = "RATING_REQUESTED"
    TICKET_RATED = "TICKET_RATED"
    CHAT_QUEUED = "CHAT_QUEUED"
    CHAT_DEFERRED = "CHAT_DEFERRED"
    AVAILABILITY_CHANGED = "AVAILABILITY_CHANGED"
    PURCHASE_CHANGED = "PURCHASE_CHANGED"
    PAYMENT_CHANGED = "PAYMENT_CHANGED"
    PAYMENT_METHOD_CHANGED = "PAYMENT_METHOD_CHANGED"
    INVOICE_ISSUED = "INVOICE_ISSUED"
    INVOICE_DELIVERY_CHANGED = "INVOICE_DELIVERY_CHANGED"
    LEGAL_NAME_CHANGED = "LEGAL_NAME_CHANGED"
    LEGAL_NAME_REVIEW_AWAITED = "LEGAL_NAME_REVIEW_AWAITED"


class Stream(Model):
    """The head of one stream: its key and the number of its last event."""

    key = fields.CharField(max_length=64, primary_key=True)
    last_sequence = fields.BigIntField(default=0)

    class Meta:
        table = "stream"


class Event(Model):
    """One event of one stream, with the rows it is about. `traceparent` identifies the span in
    which it was stored, when that was traced: see models/tracing.py.
    """

    id = fields.BigIntField(primary_key=True)
    stream = fields.CharField(max_length=64)
    sequence = fields.BigIntField()
    kind = fields.CharEnumField(EventKind, max_length=32, description="what happened")
    at = fields.DatetimeField()
    status: Any = fields.CharField(max_length=20, null=True)
    actor: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    ticket: fields.ForeignKeyNullableRelation["Ticket"] = fields.ForeignKeyField(
        "models.Ticket", null=True, related_name=False
    )
    message: fields.ForeignKeyNullableRelation["Message"] = fields.ForeignKeyField(
        "models.Message", null=True, related_name=False
    )
    purchase: fields.ForeignKeyNullableRelation["Purchase"] = fields.ForeignKeyField(
        "models.Purchase", null=True, related_name=False
    )
    invoice: fields.ForeignKeyNullableRelation["Invoice"] = fields.ForeignKeyField(
        "models.Invoice", null=True, related_name=False
    )
    traceparent = fields.CharField(max_length=TRACEPARENT_LENGTH, null=True)

    actor_id: int | None
    ticket_id: int | None
    message_id: int | None
    purchase_id: int | None
    invoice_id: int | None

    class Meta:
        table = "event"
        unique_together = (("stream", "sequence"),)

    @classmethod
    async def since(cls, stream: str, after: int, limit: int) -> "list[Event]":
        """The first `limit` events of a stream after the cursor `after`, in order."""
        return await read(
            cls.filter(stream=stream, sequence__gt=after), None, "sequence", limit=limit
        )


async def next_sequence(db: BaseDBAsyncClient, stream: str) -> int:
    """Take the stream's next number. The stream's row stays locked until the caller's transaction
    ends.
    """
    rows = await execute(
        "INSERT INTO stream (key, last_sequence) VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET "
        "last_sequence = stream.last_sequence + 1 RETURNING last_sequence",
        stream,
        db=db,
    )
    return int(rows[0]["last_sequence"])


class NewEvent(NamedTuple):
    """An event that is stored at the end of its transaction. `sequence` is None when it takes its
    number then. The other fields are columns of Event.
    """

    stream: str
    sequence: int | None
    kind: str
    at: datetime
    actor_id: int | None = None
    status: str | None = None
    ticket_id: int | None = None
    message_id: int | None = None
    purchase_id: int | None = None
    invoice_id: int | None = None
    traceparent: str | None = None


async def append_events(
    db: BaseDBAsyncClient, counts: Mapping[str, int], events: Sequence[NewEvent]
) -> None:
    """Take `counts` numbers of each of these streams, in this order, and store the events, which
    get the numbers in their order. The streams' rows stay locked until the caller's transaction
    ends. `counts` may be higher than the number of a stream's events: some streams only count.
    The rows' ids are in the order of the events.

    On PostgreSQL this is a single statement, so that others wait for a stream for no longer than
    this statement and the commit.
    """
    if dialect(db) == "postgres":
        columns = zip(*_numbered_from_last(counts, events), strict=True) if events else ()
        arrays = [list(column) for column in columns] or [[] for _ in range(len(_COLUMNS) + 1)]
        await execute(_APPEND, list(counts), list(counts.values()), *arrays, db=db)
        return
    last_sequences = await _take_numbers(db, counts)
    rows = [
        dict(zip(_COLUMNS, each, strict=True)) | {"sequence": _number(each, before, last_sequences)}
        for *each, before in _numbered_from_last(counts, events)
    ]
    await insert_all(Event, rows, db=db)


def _numbered_from_last(
    counts: Mapping[str, int], events: Sequence[NewEvent]
) -> list[tuple[Any, ...]]:
    """The columns of each event, and how many numbers before the last one of its stream it has."""
    remaining, rows = dict(counts), []
    for event in events:
        if event.sequence is None:
            remaining[event.stream] -= 1
        rows.append((*event, remaining.get(event.stream, 0)))
    return rows


def _number(event: Sequence[Any], before: int, last_sequences: Mapping[str, int]) -> int:
    stream, sequence, *_ = event
    return last_sequences[stream] - before if sequence is None else sequence


async def _take_numbers(db: BaseDBAsyncClient, counts: Mapping[str, int]) -> dict[str, int]:
    """Add to the heads of streams. Returns the last number of each."""
    last_sequences: dict[str, int] = {}
    for stream, count in counts.items():
        (row,) = await execute(
            "INSERT INTO stream (key, last_sequence) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET "
            "last_sequence = stream.last_sequence + excluded.last_sequence RETURNING last_sequence",
            stream,
            count,
            db=db,
        )
        last_sequences[stream] = int(row["last_sequence"])
    return last_sequences


_COLUMNS = NewEvent._fields
_APPEND = f"""
WITH taken AS (
    INSERT INTO stream (key, last_sequence)
    SELECT key, number FROM unnest(?::text[], ?::bigint[]) WITH ORDINALITY AS t(key, number, place)
    ORDER BY place
    ON CONFLICT (key) DO UPDATE SET last_sequence = stream.last_sequence + excluded.last_sequence
    RETURNING key, last_sequence
)
INSERT INTO event ({", ".join(_COLUMNS)})
SELECT e.stream, COALESCE(e.sequence, taken.last_sequence - e.before),
    {", ".join(f"e.{name}" for name in _COLUMNS[2:])}
FROM unnest(?::text[], ?::bigint[], ?::text[], ?::timestamptz[], ?::bigint[], ?::text[],
    ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::text[], ?::bigint[]
) WITH ORDINALITY AS e({", ".join(_COLUMNS)}, before, place)
LEFT JOIN taken ON taken.key = e.stream
ORDER BY e.place"""  # noqa: S608 - names of columns


async def last_sequences_of(streams: list[str]) -> dict[str, int]:
    """The number of the last event of each of these streams. Streams without events are left
    out.
    """
    rows = await read(QuerySet(Stream), where_in=("key", streams))
    return {row.key: row.last_sequence for row in rows}


async def last_sequence_of(stream: str) -> int:
    """The number of the last event of one stream, 0 when it has none."""
    return (await last_sequences_of([stream])).get(stream, 0)


async def traceparents_of(stream: str, message_ids: Sequence[int]) -> list[str | None]:
    """What stored the events about these messages in a stream, each None if it wasn't traced."""
    events: Any = Event.filter(stream=stream, message_id__in=message_ids)
    traceparents: list[str | None] = await events.values_list("traceparent", flat=True)
    return traceparents


async def has_event(stream: str, sequence: int) -> bool:
    """Whether the event with this number of a stream is still stored."""
    return await Event.filter(stream=stream, sequence=sequence).exists()
