"""Returning chats whose agent can't or doesn't answer to their old places in the queue.

An agent whose devices have all been disconnected for the grace period loses the chats whose
customers wait for a reply. One who goes away loses those that they haven't answered, and keeps the
others. One who doesn't answer a chat for long is set to away.
"""

from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from tortoise.backends.base.client import BaseDBAsyncClient

from models.action import Action, Transaction, retry_conflict
from models.database.sql import fetch_records
from models.event import EventKind, agent_stream
from models.identity.user import User
from models.support.agent_presence import GRACE_PERIOD
from models.support.agents import lock_agent
from models.support.live_chat import CHATS, ChatState
from models.support.team import AgentProfile, ChatAvailability
from models.support.ticket import Ticket
from models.support.ticket_position import mark_transferred
from support.chat_options import ChatOptions

log = structlog.stdlib.get_logger()


async def set_availability(action: Action, agent: User, availability: ChatAvailability) -> User:
    """Record whether an agent takes new chats. A repeat changes nothing. When they go away, their
    chats that they haven't answered go back to the queue (`take_back`). Raises Forbidden.
    """
    async with action.transaction() as tx:
        user = await lock_agent(tx, agent.pk)
        await _set_availability(tx, user, availability)
    return user


async def _set_availability(tx: Transaction, agent: User, availability: ChatAvailability) -> None:
    profile, _created = await AgentProfile.get_or_create(user_id=agent.pk, using_db=tx.db)
    if profile.chat_availability is not availability:
        profile.chat_availability = availability
        profile.chat_availability_since = tx.action.at
        columns = ["chat_availability", "chat_availability_since"]
        await profile.save(using_db=tx.db, update_fields=columns)
        await tx.append(agent_stream(agent.pk), EventKind.AVAILABILITY_CHANGED)
        tx.streams[CHATS] = None


async def send_away(action: Action, options: ChatOptions) -> int:
    """Set agents to away who haven't answered one of their chats in time: they are probably not at
    their desk. Returns how many.
    """
    since = action.at - timedelta(seconds=options.answer_seconds)
    records = await fetch_records(_INATTENTIVE.format(condition=""), since)
    count = 0
    for (agent_id,) in records:
        try:
            count += await retry_conflict(partial(_send_away, action, agent_id, since))
        except Exception as error:
            log.error("agent.not_sent_away", key=agent_id, exc_info=error)
    return count


async def _send_away(action: Action, agent_id: int, since: datetime) -> bool:
    async with action.transaction() as tx:
        agent = await tx.lock(User, agent_id)
        condition = "AND c.agent_id = ?"
        statement = _INATTENTIVE.format(condition=condition)
        if not await fetch_records(statement, since, agent_id, db=tx.db):
            return False
        await _set_availability(tx, agent, ChatAvailability.AWAY)
    return True


_UNANSWERED = f"""c.state = '{ChatState.ACTIVE}' AND t.reply_awaited_since IS NOT NULL
    AND (t.answered_at IS NULL OR t.answered_at < c.since)"""
_INATTENTIVE = f"""
    SELECT DISTINCT c.agent_id FROM live_chat c JOIN ticket t ON t.id = c.ticket_id
    JOIN agent_profile p ON p.user_id = c.agent_id
    WHERE {_UNANSWERED} AND c.since <= ?
    AND p.chat_availability = '{ChatAvailability.AVAILABLE}' {{condition}}
    ORDER BY c.agent_id"""  # noqa: S608 - constants


async def take_back(action: Action, steady_since: datetime | None) -> int:
    """Return chats to their old places in the queue when their customers wait for a reply from an
    agent who can't give it. Returns how many.

    `steady_since` is the time since which this process has renewed the leases of its agents without
    interruption. Until the grace period after a start or an outage is over, agents who are
    reconnecting can't be told from those who are gone.
    """
    is_steady = steady_since is not None and action.at - steady_since >= GRACE_PERIOD
    gone_since = action.at - GRACE_PERIOD if is_steady else _NEVER
    count = 0
    for ticket_id, agent_id in await _abandoned_chats(gone_since):
        try:
            take = partial(_take_back, action, ticket_id, agent_id, gone_since)
            count += await retry_conflict(take)
        except Exception as error:
            log.error("chat.not_taken_back", key=ticket_id, exc_info=error)
    return count


async def _take_back(action: Action, ticket_id: int, agent_id: int, gone_since: datetime) -> bool:
    async with action.transaction() as tx:
        await tx.lock(User, agent_id)
        ticket = await tx.lock(Ticket, ticket_id)
        if (ticket_id, agent_id) not in await _abandoned_chats(gone_since, ticket_id, tx.db):
            return False
        await mark_transferred(ticket_id, agent_id, action.at, tx.db)
        await ticket.unassign(tx)
    return True


async def _abandoned_chats(
    gone_since: datetime, ticket_id: int | None = None, db: BaseDBAsyncClient | None = None
) -> list[tuple[int, int]]:
    """The chats whose agent can't answer, with the agent: all of them, or only this one."""
    condition, params = ("", []) if ticket_id is None else ("AND c.ticket_id = ?", [ticket_id])
    statement = _ABANDONED.format(condition=condition)
    records = await fetch_records(statement, gone_since, gone_since, *params, db=db)
    return [(record[0], record[1]) for record in records]


_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_ABANDONED = f"""
    SELECT c.ticket_id, c.agent_id FROM live_chat c JOIN ticket t ON t.id = c.ticket_id
    LEFT JOIN agent_profile p ON p.user_id = c.agent_id
    WHERE c.state = '{ChatState.ACTIVE}' AND t.reply_awaited_since IS NOT NULL AND (
        (c.since <= ? AND NOT EXISTS (
            SELECT 1 FROM agent_presence a WHERE a.user_id = c.agent_id AND a.expires_at > ?))
        OR (p.chat_availability = '{ChatAvailability.AWAY}'
            AND p.chat_availability_since >= c.since
            AND (t.answered_at IS NULL OR t.answered_at < c.since))
    ) {{condition}}
    ORDER BY c.queued_at, c.ticket_id"""  # noqa: S608 - constants
