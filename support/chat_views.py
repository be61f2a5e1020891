"""What people see of live chats: whether they are answered now, and how long each one will wait.

The expected wait of a chat is its place, less the free slots of those who could take it, times the
pace of its queue: how long it recently took until the next chat of the queue got an agent. Pauses
while nobody waited don't count. For a queue that has moved too seldom in the last hour, a default
for each agent is used. A queue that nobody serves has no expected wait. Chats that none of the
agents who could take a chat can take don't count for it, neither for its place nor for the pace.

Places from 100 on are rounded up to two digits, such as 9,000, and expected waits to two digits of
30 seconds: nobody needs more, and so one chat less changes what about 300 of 10,000 customers see.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from tortoise.connection import get_connection

from models.database.reading import read
from models.support.chat_agents import ChatAgent, available_agents
from models.support.classification import Category
from models.support.live_chat import ChatState, LiveChat, passed_on_by, positions
from models.support.opening_hours import OpeningHours
from models.support.sla_clock import ClockState, SlaClock
from models.support.sla_policy import RESPONSES
from models.support.team import Team, team_hours
from models.support.ticket import Ticket

MEASURED_PERIOD = timedelta(hours=1)
MEASURED_CHATS = 50
_MIN_MEASURES = 3
_TIME_PER_CHAT = timedelta(minutes=5)  # of one agent, while nothing has been measured
_STEP = timedelta(seconds=30)  # by which an expected wait changes


class ChatServiceStatus(StrEnum):
    """Whether chats are answered now."""

    ANSWERED = "ANSWERED"
    UNATTENDED = "UNATTENDED"
    CLOSED = "CLOSED"


@dataclass(frozen=True)
class ChatService:
    """Whether a chat that is opened now is answered, how long it will wait, until when chats are
    answered, and when they will be answered next. `hours` are those of the team.
    """

    status: ChatServiceStatus
    hours: OpeningHours
    expected_wait: timedelta | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None


@dataclass(frozen=True)
class ChatView:
    """The state of one chat. `position` and `expected_wait` are those of a chat that waits,
    rounded, `was_assigned` whether an agent had it before. `due_at` is when a reply to a chat that
    has become a ticket is due, None when none is awaited (`is_reply_awaited`) or promised.
    """

    state: ChatState
    position: int | None = None
    expected_wait: timedelta | None = None
    was_assigned: bool = False
    is_reply_awaited: bool = False
    due_at: datetime | None = None


async def chat_service(
    at: datetime, category: Category | None = None, team_id: int | None = None
) -> ChatService:
    """Whether chats of a category or of a team, or any chats, are answered. A chat of a category
    goes to its team, unless another one is given.
    """
    db = get_connection("default")
    if team_id is None and category is not None:
        team = await Team.for_category(category, db)
        team_id = team.pk if team else None
    hours = await team_hours(team_id, db)
    if not hours.is_open(at):
        return ChatService(ChatServiceStatus.CLOSED, hours, opens_at=hours.next_opening(at))
    closes_at = hours.next_closing(at)
    serving = _serving(await available_agents(at), team_id, category)
    if not serving.agents:
        return ChatService(ChatServiceStatus.UNATTENDED, hours, closes_at=closes_at)
    waiting = LiveChat.filter(state=ChatState.WAITING, team_id=team_id)
    if serving.categories is not None:
        waiting = waiting.filter(ticket__category__in=[*serving.categories])
    wait = _expected_wait(
        await waiting.count() + 1, serving, await _pace(at, team_id, serving.categories)
    )
    return ChatService(ChatServiceStatus.ANSWERED, hours, wait, closes_at=closes_at)


async def chat_views(ticket_ids: Collection[int], at: datetime) -> dict[int, ChatView]:
    """The state of the chats among these tickets."""
    chats = await read(LiveChat.filter(), where_in=("ticket_id", ticket_ids))
    waiting = [chat for chat in chats if chat.state is ChatState.WAITING]
    deferred = [chat.ticket_id for chat in chats if chat.state is ChatState.DEFERRED]
    views = {chat.ticket_id: ChatView(chat.state) for chat in chats}
    views |= await _waiting_views(waiting, at)
    return views | await _deferred_views(deferred)


async def _waiting_views(chats: Sequence[LiveChat], at: datetime) -> dict[int, ChatView]:
    if not chats:
        return {}
    keys, agents = [chat.ticket_id for chat in chats], await available_agents(at)
    tickets = await read(Ticket.filter(), ("id", "category"), where_in=("id", keys))
    categories = {ticket.id: ticket.category for ticket in tickets}
    givers = await passed_on_by(
        [chat.ticket_id for chat in chats if chat.first_assigned_at is not None]
    )
    kinds = {
        chat.ticket_id: (chat.team_id, categories[chat.ticket_id], givers.get(chat.ticket_id))
        for chat in chats
    }
    serving_by_kind = {kind: _serving(agents, *kind) for kind in {*kinds.values()}}
    serving = {key: serving_by_kind[kind] for key, kind in kinds.items()}
    places: dict[int, int] = {}
    for counted in {each.categories for each in serving.values()}:
        keys = [key for key, each in serving.items() if each.categories == counted]
        places |= await positions(keys, categories=counted)
    queues = {(chat.team_id, serving[chat.ticket_id].categories) for chat in chats}
    paces = {queue: await _pace(at, *queue) for queue in queues}
    return {
        chat.ticket_id: ChatView(
            ChatState.WAITING,
            rounded_up(places[chat.ticket_id]),
            _expected_wait(
                rounded_up(places[chat.ticket_id]),
                serving[chat.ticket_id],
                paces[chat.team_id, serving[chat.ticket_id].categories],
            ),
            was_assigned=chat.first_assigned_at is not None,
        )
        for chat in chats
        if chat.ticket_id in places  # otherwise somebody has just got it
    }


async def _deferred_views(ticket_ids: Sequence[int]) -> dict[int, ChatView]:
    if not ticket_ids:
        return {}
    waits = SlaClock.filter(state=ClockState.RUNNING, measure__in=RESPONSES)
    clocks = await read(waits, ("ticket_id", "due_at"), where_in=("ticket_id", ticket_ids))
    due_times = {clock.ticket_id: clock.due_at for clock in clocks}
    tickets = await read(
        Ticket.filter(reply_awaited_since__not_isnull=True), ("id",), where_in=("id", ticket_ids)
    )
    awaiting = {ticket.id for ticket in tickets}
    return {
        key: ChatView(
            ChatState.DEFERRED,
            is_reply_awaited=key in awaiting,
            due_at=due_times.get(key) if key in awaiting else None,
        )
        for key in ticket_ids
    }


@dataclass(frozen=True)
class _Serving:
    """The agents who could take a chat: how many, their free slots, and the categories of the chats
    that any of them could take, None for all.
    """

    agents: int
    free_slots: int
    categories: frozenset[str] | None


def _serving(
    agents: Sequence[ChatAgent],
    team_id: int | None,
    category: Category | None,
    passed_on_by: int | None = None,
) -> _Serving:
    serving = [
        agent
        for agent in agents
        if agent.serves(team_id)
        and (category is None or agent.has_skill(category))
        and agent.user_id != passed_on_by
    ]
    skills = [agent.skills for agent in serving]
    is_limited = category is not None and skills and all(skills)
    return _Serving(
        len(serving),
        sum(agent.free_slots for agent in serving),
        frozenset().union(*skills) if is_limited else None,
    )


def rounded_up(number: int) -> int:
    """A number of which only the first two digits matter, not less than the given one."""
    step = int(10 ** max(0, len(str(number)) - 2))
    return -(-number // step) * step


def _expected_wait(place: int, serving: _Serving, pace: timedelta | None) -> timedelta | None:
    if not serving.agents:
        return None
    chats_before = max(0, place - serving.free_slots)
    wait = chats_before * (pace or _TIME_PER_CHAT / serving.agents)
    return rounded_up(-(-wait // _STEP)) * _STEP


async def _pace(
    at: datetime, team_id: int | None, categories: Collection[str] | None
) -> timedelta | None:
    """How long it recently took until the next chat of a queue, with one of these categories or
    any, got an agent, None when there are too few measurements.
    """
    rows = LiveChat.filter(first_assigned_at__gte=at - MEASURED_PERIOD, team_id=team_id)
    if categories is not None:
        rows = rows.filter(ticket__category__in=[*categories])
    chats = await read(
        rows,
        ("queued_at", "first_assigned_at"),
        "-first_assigned_at",
        limit=MEASURED_CHATS,
    )
    times = [(chat.queued_at, chat.first_assigned_at) for chat in reversed(chats)]
    gaps = [
        assigned_at - former_at
        for (_, former_at), (queued_at, assigned_at) in pairwise(times)
        if assigned_at and former_at and queued_at <= former_at
    ]
    return sum(gaps, timedelta()) / len(gaps) if len(gaps) >= _MIN_MEASURES else None
