"""The live part of a chat: who has it, or its place in the queue.

A chat that nobody has waits in the queue of its team, or in that of all agents when no team has it.
`queued_at` determines its place: an agent who can't continue gives the chat back to the same place.
A chat that isn't answered live has become a ticket like any other (DEFERRED), and stays one.

The row belongs to whoever has locked the ticket, and follows it: `team`, `agent` and `category` are
copies of the ticket's, so that the queue is read from one index and posting a message changes
nothing here.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model

from models.action import Transaction
from models.database.sql import fetch_records
from models.database.writing import find_one
from models.event import EventKind, ticket_stream
from models.identity.user import User
from models.support.classification import Category, Channel
from models.support.team import Team

if TYPE_CHECKING:
    from models.support.ticket import Ticket

CHATS = "chats"  # the hub's key of what isn't stored: who is present, and available


class ChatState(StrEnum):
    """The state of a chat."""

    WAITING = "WAITING"
    ACTIVE = "ACTIVE"
    ENDED = "ENDED"
    DEFERRED = "DEFERRED"


LIVE_STATES = (ChatState.WAITING, ChatState.ACTIVE)


class LiveChat(Model):
    """The live part of a chat.

    `since` is when it got its state, or another agent, `queued_at` when the customer began to wait,
    which determines its place, and `first_assigned_at` when an agent first got it. `category` is
    null for a chat that changed last in an earlier release.
    """

    id = fields.BigIntField(primary_key=True)
    ticket: fields.OneToOneRelation["Ticket"] = fields.OneToOneField(
        "models.Ticket", related_name=False
    )
    state = fields.CharEnumField(ChatState, max_length=8, description="state")
    team: fields.ForeignKeyNullableRelation[Team] = fields.ForeignKeyField(
        "models.Team", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    agent: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    category: Any = fields.CharEnumField(Category, max_length=16, null=True, description="category")
    queued_at: datetime = fields.DatetimeField()
    since: datetime = fields.DatetimeField()
    first_assigned_at: datetime | None = fields.DatetimeField(null=True, db_index=True)

    ticket_id: int
    team_id: int | None
    agent_id: int | None

    class Meta:
        table = "live_chat"
        indexes = (
            ("state", "team_id", "queued_at", "ticket_id"),
            ("state", "team_id", "category", "queued_at", "ticket_id"),
            ("agent_id", "state"),
            ("state", "since"),
        )

    @property
    def is_live(self) -> bool:
        """Whether the customer is answered live, or waits for it."""
        return self.state in LIVE_STATES

    def enter(self, state: ChatState, at: datetime) -> None:
        """Change the chat's state."""
        self.state, self.since = state, at
        if state is ChatState.ACTIVE:
            self.first_assigned_at = self.first_assigned_at or at

    async def save_state(self, tx: Transaction, ticket: "Ticket") -> None:
        """Save the columns that may have changed, and those that are copies of the ticket's."""
        self.team_id, self.agent_id = ticket.team_id, ticket.assignee_id
        self.category = ticket.category
        await self.save(
            using_db=tx.db,
            update_fields=[
                "state",
                "team_id",
                "agent_id",
                "category",
                "queued_at",
                "since",
                "first_assigned_at",
            ],
        )


async def find_chat(ticket: "Ticket", db: BaseDBAsyncClient | None = None) -> LiveChat | None:
    """The live part of a ticket, None for a ticket of another channel."""
    if ticket.channel is not Channel.CHAT:
        return None
    return await find_one(LiveChat, db, ticket_id=ticket.pk)


async def start_chat(tx: Transaction, ticket: "Ticket", *, is_live: bool) -> None:
    """Queue a new chat or, when it can't be answered live, defer it."""
    await LiveChat.create(
        using_db=tx.db,
        ticket_id=ticket.pk,
        team_id=ticket.team_id,
        category=ticket.category,
        state=ChatState.WAITING if is_live else ChatState.DEFERRED,
        queued_at=tx.action.at,
        since=tx.action.at,
    )


async def follow_assignment(tx: Transaction, ticket: "Ticket") -> bool:
    """Let the chat follow its ticket, which the caller has assigned to somebody or to nobody.
    Returns whether it waits again.
    """
    chat = await find_chat(ticket, tx.db)
    if chat is None:
        return False
    former_id, chat.agent_id = chat.agent_id, ticket.assignee_id
    if chat.is_live and chat.agent_id != former_id:
        chat.enter(ChatState.ACTIVE if chat.agent_id else ChatState.WAITING, tx.action.at)
    await chat.save_state(tx, ticket)
    return chat.state is ChatState.WAITING and former_id is not None


async def follow_category(tx: Transaction, ticket: "Ticket") -> None:
    """Let the chat follow its ticket, whose category the caller has changed."""
    chat = await find_chat(ticket, tx.db)
    if chat is not None:
        await chat.save_state(tx, ticket)


async def follow_finish(tx: Transaction, ticket: "Ticket") -> None:
    """Let the chat follow its ticket, which the caller has finished or reopened. A chat that is
    reopened is live again.
    """
    chat = await find_chat(ticket, tx.db)
    if chat is None or chat.is_live is not ticket.is_finished or chat.state is ChatState.DEFERRED:
        return
    if ticket.is_finished:
        chat.enter(ChatState.ENDED, tx.action.at)
    else:
        chat.enter(ChatState.ACTIVE if chat.agent_id else ChatState.WAITING, tx.action.at)
        chat.queued_at = tx.action.at
    await chat.save_state(tx, ticket)


async def passed_on_by(
    ticket_ids: Sequence[int], db: BaseDBAsyncClient | None = None
) -> dict[int, int]:
    """The agent who gave each of these waiting chats back to a queue: routing doesn't give it to
    them again. Chats that nobody had, or whose agent was disconnected, are left out.
    """
    if not ticket_ids:
        return {}
    streams = [ticket_stream(ticket_id) for ticket_id in ticket_ids]
    records = await fetch_records(
        _ASSIGNMENTS.format(places=", ".join("?" * len(streams))), *streams, db=db
    )
    return {record[0]: record[1] for record in records if record[1] is not None}


_ASSIGNMENTS = f"""
    SELECT e.ticket_id, e.actor_id FROM event e
    JOIN (
        SELECT stream, MAX(sequence) AS sequence FROM event
        WHERE stream IN ({{places}}) AND kind = '{EventKind.TICKET_ASSIGNED}' GROUP BY stream
    ) latest ON latest.stream = e.stream AND latest.sequence = e.sequence"""  # noqa: S608 - constants


async def positions(
    ticket_ids: Sequence[int],
    db: BaseDBAsyncClient | None = None,
    *,
    categories: Collection[str] | None = None,
) -> dict[int, int]:
    """The places of these chats in their queues, 1 for the next one. Chats that don't wait are left
    out. With `categories`, which must include those of the chats, chats of other categories don't
    count.
    """
    if not ticket_ids:
        return {}
    statement = _COUNTS if len(ticket_ids) <= _MAX_COUNTED else _QUEUES
    places, counted = ", ".join("?" * len(ticket_ids)), ""
    if categories is not None:
        counted = _COUNTED.format(categories=", ".join("?" * len(categories)))
    records = await fetch_records(
        statement.format(places=places, counted=counted),
        *sorted(categories or ()),
        *ticket_ids,
        db=db,
    )
    return {record[0]: record[1] for record in records}


_COUNTED = "AND (other.category IS NULL OR other.category IN ({categories}))"
# Counting those before a chat takes a fraction of the time that numbering a queue takes.
_MAX_COUNTED = 4
_COUNTS = f"""
    SELECT c.ticket_id, (
        SELECT COUNT(*) FROM live_chat other WHERE other.state = '{ChatState.WAITING}'
        AND other.team_id IS NOT DISTINCT FROM c.team_id
        AND (other.queued_at, other.ticket_id) <= (c.queued_at, c.ticket_id) {{counted}}
    ) FROM live_chat c WHERE c.state = '{ChatState.WAITING}' AND c.ticket_id IN ({{places}})"""  # noqa: S608 - constants
_QUEUES = f"""
    SELECT ticket_id, place FROM (
        SELECT ticket_id, ROW_NUMBER() OVER (
            PARTITION BY team_id ORDER BY queued_at, ticket_id
        ) AS place FROM live_chat other WHERE state = '{ChatState.WAITING}' {{counted}}
    ) AS queues WHERE ticket_id IN ({{places}})"""  # noqa: S608 - constants


async def active_chat_counts(
    user_ids: Sequence[int], db: BaseDBAsyncClient | None = None
) -> dict[int, int]:
    """The number of chats that each of these agents has. Agents without any are left out."""
    if not user_ids:
        return {}
    chats: Any = LiveChat.filter(state=ChatState.ACTIVE, agent_id__in=list(user_ids)).using_db(db)
    counts: dict[int, int] = {}
    for (user_id,) in await chats.values_list("agent_id"):
        counts[user_id] = counts.get(user_id, 0) + 1
    return counts
