"""Stored events: the one thing every live subscription reads.

A stream is a sequence of events 1, 2, 3, ... under a key: one for each ticket (`ticket:12`), one for each account
(`account:5`) and one for the agents' inbox (`inbox`). An event takes its number inside the transaction that stores the fact it
tells of, by adding one to the stream's row. That row stays locked until the commit, so numbers become visible in their order,
without gaps: a reader that has seen n can never miss n - 1. A reader is nothing but a key and a number; what it has not read
yet waits in the database, not in memory. See docs/decisions/0004-streams.md.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.database.reading import read
from models.database.sql import rows

if TYPE_CHECKING:
    from models.billing.invoice import Invoice
    from models.billing.purchase import Purchase
    from models.identity.user import User
    from models.support.ticket import Message, Ticket

INBOX = "inbox"  # the key of the stream of every ticket, for agents


def ticket_stream(ticket_id: int) -> str:
    """The key of a ticket's stream."""
    return f"ticket:{ticket_id}"


def account_stream(account_id: int) -> str:
    """The key of an account's stream."""
    return f"account:{account_id}"


class EventKind(StrEnum):
    """What happened."""

    TICKET_OPENED = "TICKET_OPENED"
    MESSAGE_POSTED = "MESSAGE_POSTED"
    TICKET_ASSIGNED = "TICKET_ASSIGNED"
    STATUS_CHANGED = "STATUS_CHANGED"
    REPLY_AWAITED = "REPLY_AWAITED"
    PURCHASE_CHANGED = "PURCHASE_CHANGED"
    PAYMENT_CHANGED = "PAYMENT_CHANGED"
    INVOICE_ISSUED = "INVOICE_ISSUED"
    LEGAL_NAME_CHANGED = "LEGAL_NAME_CHANGED"
    LEGAL_NAME_REVIEW_AWAITED = "LEGAL_NAME_REVIEW_AWAITED"


class Stream(Model):
    """The head of one sequence: its key and the last number given."""

    key = fields.CharField(max_length=64, primary_key=True)
    last_sequence = fields.BigIntField(default=0)

    class Meta:
        table = "stream"


class Event(Model):
    """One numbered event of one stream, pointing at the rows it tells of."""

    id = fields.BigIntField(primary_key=True)
    stream = fields.CharField(max_length=64)
    sequence = fields.BigIntField()
    kind = fields.CharEnumField(EventKind, max_length=32)
    at = fields.DatetimeField()
    status: Any = fields.CharField(max_length=20, null=True)
    actor: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    ticket: fields.ForeignKeyNullableRelation["Ticket"] = fields.ForeignKeyField("models.Ticket", null=True, related_name=False)
    message: fields.ForeignKeyNullableRelation["Message"] = fields.ForeignKeyField(
        "models.Message", null=True, related_name=False
    )
    purchase: fields.ForeignKeyNullableRelation["Purchase"] = fields.ForeignKeyField(
        "models.Purchase", null=True, related_name=False
    )
    invoice: fields.ForeignKeyNullableRelation["Invoice"] = fields.ForeignKeyField(
        "models.Invoice", null=True, related_name=False
    )

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
        """The next `limit` events of a stream behind the cursor `after`, in order."""
        return await read(cls.filter(stream=stream, sequence__gt=after), None, "sequence", limit=limit)


async def next_sequence(db: BaseDBAsyncClient, stream: str) -> int:
    """Take the stream's next number, holding the stream's row until the caller's transaction ends."""
    taken = await rows(
        "INSERT INTO stream (key, last_sequence) VALUES (?, 1)"
        " ON CONFLICT (key) DO UPDATE SET last_sequence = stream.last_sequence + 1 RETURNING last_sequence",
        stream,
        db=db,
    )
    return int(taken[0]["last_sequence"])


async def heads(streams: list[str]) -> dict[str, int]:
    """The last number given in each of these streams; a stream nobody wrote to yet is left out."""
    found = await read(QuerySet(Stream), among=("key", streams))
    return {stream.key: stream.last_sequence for stream in found}


async def head(stream: str) -> int:
    """The last number given in one stream, 0 before the first."""
    return (await heads([stream])).get(stream, 0)
