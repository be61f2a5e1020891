"""`bin/bench queue`: what the queue of live chats costs while thousands wait whom none of many idle
agents can answer, because they lack the skill.

Each figure is measured with few chats and agents and with `--waiting` and `--agents`. The chats and
the agents are rows, and the functions are those that the server calls, in this process.
"""

import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import asyncpg

from bench.data import Sizes
from bench.servers import BenchmarkError
from models.action import Action
from models.clock import SystemClock
from models.database.connection import connect, disconnect
from models.identity.user import User
from models.support.agent_presence import store_leases
from models.support.live_chat import ChatState, LiveChat
from models.support.ticket import Ticket
from realtime.hub import Hub
from support.assignment import claim, release
from support.chat_views import chat_views
from support.chat_watch import ChatWatch
from support.chats import route

FEW_WAITING, FEW_AGENTS = 100, 10
WATCHED = 100  # chats whose customers watch them in one process
RUNS = 20
_PROCESS = "benchmark"
_AGENTS = """
WITH people AS (
    INSERT INTO "user" (email, name, locale, staff, password_hash, email_verified_at,
        second_factor_at, created_at)
    SELECT 'idle' || n || '@example.fr', 'Agent ' || n, 'fr', 'AGENT', '!', now(), now(), now()
    FROM generate_series($1::int, $2::int) AS n RETURNING id
)
INSERT INTO agent_profile (user_id, skills, chat_capacity, chat_availability)
SELECT id, '["BUG"]', 4, 'AVAILABLE' FROM people"""
_CHATS = """
WITH opened AS (
    INSERT INTO ticket (account_id, requester_id, subject, channel, category, kind, status,
        priority, created_at, opened_on, updated_at, reply_awaited_since)
    SELECT 1 + n % $2, 1 + n % $2, 'Chat ' || n, 'CHAT', 'USAGE', 'GENERAL', 'NEW', 'NORMAL',
        $3, ($3::timestamptz)::date, $3, $3
    FROM generate_series(1, $1::int) AS n RETURNING id
)
INSERT INTO live_chat (ticket_id, state, category, queued_at, since)
SELECT id, 'WAITING', 'USAGE', $3::timestamptz + id * interval '1 millisecond', $3 FROM opened"""


@dataclass
class Queue:
    """The rows of one measurement."""

    url: str
    sizes: Sizes
    agent_ids: list[int] = field(default_factory=list)
    ticket_ids: list[int] = field(default_factory=list)

    async def fill(self, waiting: int, agents: int) -> None:
        """Add agents and chats up to these numbers."""
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(_AGENTS, len(self.agent_ids) + 1, agents)
            await connection.execute(
                _CHATS, waiting - len(self.ticket_ids), self.sizes.accounts, datetime.now(UTC)
            )
            await connection.execute("VACUUM ANALYZE")
            self.agent_ids = await _keys(connection, "SELECT user_id FROM agent_profile")
            self.ticket_ids = await _keys(
                connection,
                "SELECT ticket_id FROM live_chat WHERE state = 'WAITING' ORDER BY queued_at",
            )
        finally:
            await connection.close()

    async def renew_leases(self) -> None:
        """Store that all agents are present."""
        expires_at = datetime.now(UTC) + timedelta(hours=1)
        await store_leases(_PROCESS, dict.fromkeys(self.agent_ids, expires_at))

    async def route(self) -> None:
        if await route(_action()):
            raise BenchmarkError("an agent got a chat without having the skill")

    async def view_last(self) -> None:
        await chat_views(self.ticket_ids[-1:], datetime.now(UTC))

    async def view_watched(self) -> None:
        await chat_views(self.ticket_ids[-WATCHED:], datetime.now(UTC))

    async def watch_all(self) -> tuple[float, int]:
        """Everybody who waits watches, and the first chat ends. Returns how long the next look at
        the queue takes, in milliseconds, and how many customers are told within a minute.
        """
        hub, seconds, told = Hub(), [0.0], set[str]()
        watch = ChatWatch(hub, SystemClock(), lambda: seconds[0])
        with hub.listen(*(f"chat:{key}" for key in self.ticket_ids)):
            await watch.refresh()
            hub.add_observer(told.add)
            first = LiveChat.filter(ticket_id=self.ticket_ids.pop(0))
            await first.update(state=ChatState.ENDED, since=datetime.now(UTC))
            seconds[0] = 0.2  # the pause between two looks
            start = time.perf_counter()
            await watch.refresh()
            took = 1e3 * (time.perf_counter() - start)
            for _ in range(4):
                seconds[0] += 15
                await watch.refresh()
        return took, len(told)

    async def claim_and_release(self) -> None:
        agent = await User.get(pk=self.agent_ids[0])
        ticket = await Ticket.get(pk=self.ticket_ids[-1])
        await claim(_action(agent), ticket, agent)
        await release(_action(agent), ticket, agent)


async def _keys(connection: asyncpg.Connection, statement: str) -> list[int]:
    return [row[0] for row in await connection.fetch(statement)]


def _action(actor: User | None = None) -> Action:
    return Action(actor, datetime.now(UTC), Hub())


async def measure_queue(url: str, sizes: Sizes, waiting: int, agents: int) -> None:
    """Print the times, in milliseconds."""
    queue, columns = Queue(url, sizes), []
    await connect(url)
    try:
        for size in ((FEW_WAITING, FEW_AGENTS), (waiting, agents)):
            await queue.fill(*size)
            columns.append(await _measure(queue))
    finally:
        await disconnect()
    heads = [f"{FEW_WAITING:,} / {FEW_AGENTS:,}", f"{waiting:,} / {agents:,}"]
    print(f"{'ms, with chats that wait / idle agents':42}{heads[0]:>14}{heads[1]:>18}")
    for name, few in columns[0].items():
        print(f"{name:42}{few:14.1f}{columns[1][name]:18.1f}", flush=True)


async def _measure(queue: Queue) -> dict[str, float]:
    watches = [await queue.watch_all() for _ in range(3)]
    return {
        "the leases of all agents": await _median(queue.renew_leases),
        "a run of the router that finds nobody": await _median(queue.route),
        "the place and wait of the last chat": await _median(queue.view_last),
        f"those of the last {WATCHED} chats": await _median(queue.view_watched),
        "a claim and a release": await _median(queue.claim_and_release),
        "a look at all chats, which are watched": statistics.median(each[0] for each in watches),
        "customers told of one chat less (number)": statistics.median(each[1] for each in watches),
    }


async def _median(work: Callable[[], Awaitable[None]]) -> float:
    times = []
    for _ in range(RUNS + 1):  # the first one warms up
        start = time.perf_counter()
        await work()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[1:])
