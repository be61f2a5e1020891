"""Live chats: the job that takes care of them, and routing.

Chats are routed oldest first, each to an agent who is present and available, has a free slot and
the skill, and belongs to the team. Of those the one with the fewest chats gets it, then the one who
has waited longest for one. Whoever gives a chat to somebody, a router in any process or an agent
who claims it, locks the agent and then the ticket, and looks again. So only one of them succeeds.

Routing doesn't give an agent a chat that they have passed on themselves; they can still claim it.

Candidates are read without locks and may be outdated. Then nothing happens until the next run,
which the change that made them outdated triggers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import heapify, heappop, heapreplace
from typing import Any

import structlog

from models.action import Action, retry_conflict
from models.database.sql import fetch_records
from models.errors import Forbidden
from models.support.agents import lock_agent
from models.support.chat_agents import ChatAgent, FreeSlots, available_agents, free_slots
from models.support.live_chat import ChatState, LiveChat, find_chat, passed_on_by
from models.support.team import AgentProfile
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from realtime.connected_agents import ConnectedAgents
from support.chat_deferral import defer_due
from support.chat_options import ChatOptions
from support.chat_returns import send_away, take_back

MAX_PER_QUEUE = 500  # chats of a queue that one run routes

log = structlog.stdlib.get_logger()


async def handle_chats(action: Action, agents: ConnectedAgents, options: ChatOptions) -> int:
    """Take chats back from agents who can't or don't answer, give those that wait to others, and
    defer those that aren't answered: a job. Returns how many chats have changed.
    """
    await send_away(action, options)
    count = await take_back(action, agents.steady_since)
    count += await route(action)
    return count + await defer_due(action, options)


@dataclass(frozen=True)
class WaitingChat:
    """A chat that waits for an agent."""

    ticket_id: int
    team_id: int | None
    category: str
    passed_on_by: int | None = None


async def route(action: Action) -> int:
    """Give waiting chats to agents, as far as they can take them. Returns how many."""
    count = 0
    if not await LiveChat.filter(state=ChatState.WAITING).exists():
        return count
    chats = await _oldest_chats(await free_slots(action.at))
    if not chats:
        return count
    agents = [agent for agent in await available_agents(action.at) if agent.free_slots]
    for chat, agent in _pairs(chats, agents):
        try:
            count += await retry_conflict(partial(_give, action, chat.ticket_id, agent.user_id))
        except Forbidden:  # dismissed meanwhile
            continue
        except Exception as error:
            log.error("chat.not_routed", key=chat.ticket_id, exc_info=error)
    return count


async def _oldest_chats(slots: Sequence[FreeSlots]) -> list[WaitingChat]:
    """The chats that agents with these free slots could take, oldest first: from each queue, as
    many as there are slots.
    """
    records = []
    for team_id in {each.team_id for each in slots}:
        serving = [each for each in slots if each.team_id == team_id]
        records += await _oldest_of_queue(team_id, serving)
    records.sort(key=lambda record: (record[3], record[0]))
    givers = await passed_on_by([record[0] for record in records if record[4] is not None])
    return [
        WaitingChat(ticket_id, queue_id, category, givers.get(ticket_id))
        for ticket_id, queue_id, category, *_ in records
    ]


async def _oldest_of_queue(
    team_id: int | None, slots: Sequence[FreeSlots]
) -> list[tuple[Any, ...]]:
    """The oldest chats of a queue that can be taken. Those that agents have passed on may find
    nobody, and don't keep the places of others.
    """
    skills = [each.skills for each in slots]
    categories = sorted(frozenset().union(*skills)) if all(skills) else None
    wanted = sum(each.count for each in slots)
    limit = min(wanted, MAX_PER_QUEUE)
    while True:
        records = await _first_of_queue(team_id, categories, limit)
        returned_count = sum(record[4] is not None for record in records)
        needed = min(wanted + returned_count, MAX_PER_QUEUE)
        if len(records) < limit or needed <= limit:
            return records
        limit = min(2 * needed, MAX_PER_QUEUE)


async def _first_of_queue(
    team_id: int | None, categories: Sequence[str] | None, limit: int
) -> list[tuple[Any, ...]]:
    """The first chats of a queue, of these categories or of all. Each category is read by itself,
    because then an index has its chats in their order: the others cost nothing.
    """
    conditions = ["IS NULL", *["= ?"] * len(categories)] if categories is not None else [""]
    selects = [
        _FIRST.format(
            team="IS NULL" if team_id is None else "= ?",
            category=f"AND category {condition}" if condition else "",
        )
        for condition in conditions
    ]
    params: list[Any] = []
    for category in [None, *(categories or ())]:
        params += [] if team_id is None else [team_id]
        params += [] if category is None else [category]
        params.append(limit)
    statement = f"{' UNION ALL '.join(selects)} ORDER BY 4, 1 LIMIT ?"
    return [tuple(record) for record in await fetch_records(statement, *params, limit)]


_FIRST = f"""
    SELECT * FROM (
        SELECT ticket_id, team_id,
            COALESCE(category, (SELECT t.category FROM ticket t WHERE t.id = ticket_id)),
            queued_at, first_assigned_at
        FROM live_chat WHERE state = '{ChatState.WAITING}' AND team_id {{team}} {{category}}
        ORDER BY queued_at, ticket_id LIMIT ?
    ) AS first"""  # noqa: S608 - constants


def _pairs(
    chats: Iterable[WaitingChat], agents: Sequence[ChatAgent]
) -> Iterable[tuple[WaitingChat, ChatAgent]]:
    """Who should get which chat: of those who can take it, the agent with the fewest chats, then
    the first of them.

    The candidates for each kind of chat are in a heap, by the number of chats that they had when
    they were put there.
    """
    counts = [agent.chat_count for agent in agents]
    heaps: dict[tuple[int | None, str, int | None], list[tuple[int, int]]] = {}
    for chat in chats:
        kind = (chat.team_id, chat.category, chat.passed_on_by)
        if kind not in heaps:
            heaps[kind] = [
                (counts[index], index)
                for index, agent in enumerate(agents)
                if agent.serves(chat.team_id)
                and agent.has_skill(chat.category)
                and agent.user_id != chat.passed_on_by
            ]
            heapify(heaps[kind])
        index = _least_busy(heaps[kind], counts, agents)
        if index is not None:
            counts[index] += 1
            yield chat, agents[index]


def _least_busy(
    heap: list[tuple[int, int]], counts: Sequence[int], agents: Sequence[ChatAgent]
) -> int | None:
    while heap:
        count, index = heap[0]
        if counts[index] >= agents[index].capacity:
            heappop(heap)
        elif count != counts[index]:
            heapreplace(heap, (counts[index], index))
        else:
            return index
    return None


async def _give(action: Action, ticket_id: int, user_id: int) -> bool:
    """Give a chat to an agent, unless this has become impossible. Raises Forbidden."""
    async with action.transaction() as tx:
        await lock_agent(tx, user_id)
        ticket = await tx.lock(Ticket, ticket_id)
        chat = await find_chat(ticket, tx.db)
        if chat is None or chat.state is not ChatState.WAITING:
            return False
        (agent,) = await available_agents(action.at, tx.db, user_id=user_id) or (None,)
        if agent is None or not (
            agent.free_slots and agent.serves(ticket.team_id) and agent.has_skill(ticket.category)
        ):
            return False
        if (await passed_on_by([ticket_id], tx.db)).get(ticket_id) == user_id:
            return False
        await AgentProfile.filter(user_id=user_id).using_db(tx.db).update(last_chat_at=action.at)
        await ticket.assign(tx, user_id, ticket.team_id, is_told=True)
        if ticket.status is TicketStatus.NEW:
            await ticket.set_status(tx, TicketStatus.OPEN)
    return True
