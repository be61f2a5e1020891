"""P5.5: a day of live chats, at random: customers open and continue chats, agents of two processes
come, go, lose their connections, and take, hand over and finish chats. After each step the rows,
the queue and what customers see have to agree, and after the jobs no customer waits whom an agent
could answer.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from models.action import Action
from models.database.connection import connect, disconnect
from models.errors import Refusal
from models.event import Event, EventKind, ticket_stream
from models.identity.user import Staff, User
from models.support.classification import Category, Channel
from models.support.live_chat import ChatState, LiveChat, passed_on_by, positions
from models.support.team import AgentProfile, ChatAvailability, Team, TeamMember
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from realtime.connected_agents import ConnectedAgents
from realtime.hub import Hub
from support import assignment
from support.chat_options import ChatOptions
from support.chat_returns import set_availability
from support.chat_views import ChatView, chat_views
from support.chat_watch import ChatWatch
from support.chats import handle_chats
from support.presence import renew_leases
from support.tickets import open_ticket
from tests.conftest import MovableClock, database_copy
from tests.people import add_member, create_account, create_staff, create_user
from tests.quick_auth import quick_auth

EXAMPLES = max(1, int(os.environ.get("CAMCHA_CASES", "1500")) // 500)
STEPS = 20
MAX_CHATS = 10
START = datetime(2026, 11, 23, 9, tzinfo=UTC)
OPTIONS = ChatOptions(answer_seconds=60, wait_seconds=120, idle_seconds=200)
STEP = timedelta(seconds=25)  # after which leases are renewed
TEXTS: dict[str, Any] = {"channel": Channel.CHAT, "subject": "Aide", "body": "Bonjour"}
# Capacity, skills, and whether they belong to the team for invoices.
AGENTS: list[tuple[int, list[Category], bool]] = [
    (1, [], False),
    (1, [Category.BUG], False),
    (1, [], True),
]
Result = TypeVar("Result")

CATEGORIES = [Category.USAGE, Category.BUG, Category.BILLING]
ACTIONS = [
    "open_chat",
    "write",
    "answer",
    "claim",
    "release",
    "transfer",
    "solve",
    "close",
    "put_on_hold",
    "go_away",
    "plug",
    "begin_work",
    "begin_work",
    "kill",
]


class ChatMachine(RuleBasedStateMachine):
    """Customers, agents and two processes."""

    open_database: Callable[[ExitStack], str]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        url = self.open_database(self.stack)
        self.runner = self.stack.enter_context(asyncio.Runner())
        self.clock, self.hub = MovableClock(START), Hub()
        self.auth = quick_auth(self.clock)
        self.stack.callback(self.auth.passwords.close)
        self.run(connect(url))
        self.stack.callback(lambda: self.run(disconnect()))
        self.keys: list[int] = []
        self.seen: dict[int, ChatView] = {}
        self.watchers: list[asyncio.Task[None]] = []
        self.processes: dict[int, ConnectedAgents] = {}
        self.devices: dict[int, set[int]] = {}
        self.start_process(0)
        self.start_process(1)
        self.watch = ChatWatch(self.hub, self.clock)

    def run(self, work: Awaitable[Result]) -> Result:
        async def wait() -> Result:
            return await work

        return self.runner.run(wait())

    def start_process(self, number: int) -> None:
        """A process to which nobody is connected yet."""
        self.processes[number] = ConnectedAgents(self.hub, self.clock)
        self.devices[number] = set()

    @property
    def action(self) -> Action:
        return Action(None, self.clock.now(), self.hub)

    def as_agent(self, number: int) -> Action:
        return Action(self.agents[number], self.clock.now(), self.hub)

    def attempt(self, work: Awaitable[Any]) -> None:
        """Do something that may be refused."""
        self.clock.advance(timedelta(seconds=1))
        with suppress(Refusal):
            self.run(work)

    @initialize()
    def hire(self) -> None:
        """The agents, who begin their work."""
        self.run(self._hire())
        for number in range(len(AGENTS)):
            self.begin_work(0, number)
        self.run(self._work())
        for category in (1, 1, 2, 0, 1):
            self.open_chat(category)

    async def _hire(self) -> None:
        self.account = await create_account(self.action)
        self.paul = await create_user(self.action, "Paul")
        await add_member(self.action, self.account, self.paul)
        self.team = await Team.create(
            name="Facturation", categories=[Category.BILLING], created_at=START
        )
        self.agents: list[User] = []
        for number, (capacity, skills, is_member) in enumerate(AGENTS):
            agent = await create_staff(self.action, f"Agent{number}", Staff.AGENT)
            await AgentProfile.create(user=agent, skills=skills, chat_capacity=capacity)
            if is_member:
                await TeamMember.create(team=self.team, user=agent)
            self.agents.append(agent)

    def ticket(self, pick: int) -> Ticket:
        """One of the chats, the most recent for 0."""
        return self.run(Ticket.get(pk=self.keys[-1 - pick % len(self.keys)]))

    @rule(
        name=st.sampled_from(ACTIONS),
        pick=st.integers(0, 5),
        number=st.integers(0, len(AGENTS) - 1),
        other=st.integers(0, len(AGENTS) - 1),
        seconds=st.sampled_from([0, 0, 5, 15, 45, 75, 130]),
    )
    def step(self, name: str, pick: int, number: int, other: int, seconds: int) -> None:
        """Somebody does something, and time passes. It is a single rule, so that none is left
        out.
        """
        getattr(self, name)(pick, number, other)
        self.pass_time(seconds)

    # What people do.

    def open_chat(self, pick: int, *_: int) -> None:
        if len(self.keys) == MAX_CHATS:
            return
        self.clock.advance(timedelta(seconds=1))
        key, category = f"key-{len(self.keys)}", CATEGORIES[pick % len(CATEGORIES)]
        opened = open_ticket(
            self.action, self.auth, self.account, self.paul, category=category, key=key, **TEXTS
        )
        ticket = self.run(opened)
        self._watch(ticket.pk)

    def _watch(self, key: int) -> None:
        async def allow() -> None:
            """Everybody may watch."""

        async def watch() -> None:
            async for view in self.watch.watch_chat(key, allow):
                self.seen[key] = view

        async def start() -> None:
            self.watchers.append(asyncio.create_task(watch()))

        self.keys.append(key)
        self.run(start())

    def write(self, pick: int, *_: int) -> None:
        ticket, key = self.ticket(pick), f"{self.clock.now()}"
        self.clock.advance(timedelta(seconds=1))
        message = self.run(ticket.reply(self.action, self.paul, "Encore", key))
        if message.ticket_id not in self.keys:
            self._watch(message.ticket_id)

    def answer(self, pick: int, number: int, *_: int) -> None:
        ticket, key = self.ticket(pick), f"{self.clock.now()}"
        if ticket.status is not TicketStatus.CLOSED:
            reply = ticket.reply(self.as_agent(number), self.agents[number], "Bonjour", key)
            self.attempt(reply)

    def claim(self, pick: int, number: int, *_: int) -> None:
        self.attempt(
            assignment.claim(self.as_agent(number), self.ticket(pick), self.agents[number])
        )

    def release(self, pick: int, number: int, *_: int) -> None:
        self.attempt(
            assignment.release(self.as_agent(number), self.ticket(pick), self.agents[number])
        )

    def transfer(self, pick: int, number: int, other: int) -> None:
        """Transfer a chat to another agent or, if both are the same, to the team."""
        agent_id = None if other == number else self.agents[other].pk
        team_id = self.team.pk if other == number else None
        self.attempt(
            assignment.transfer(
                self.as_agent(number), self.ticket(pick), self.agents[number], agent_id, team_id
            )
        )

    def solve(self, pick: int, *_: int) -> None:
        self.attempt(self.ticket(pick).transition_to(self.action, TicketStatus.SOLVED))

    def close(self, pick: int, *_: int) -> None:
        self.attempt(self.ticket(pick).transition_to(self.action, TicketStatus.CLOSED))

    def put_on_hold(self, pick: int, *_: int) -> None:
        self.attempt(self.ticket(pick).transition_to(self.action, TicketStatus.ON_HOLD))

    def go_away(self, _: int, number: int, *__: int) -> None:
        self._switch(number, ChatAvailability.AWAY)

    def _switch(self, number: int, availability: ChatAvailability) -> None:
        self.attempt(set_availability(self.as_agent(number), self.agents[number], availability))

    def plug(self, pick: int, number: int, *_: int) -> None:
        """Connect an agent's device to a process, or disconnect it."""
        process = pick % 2
        devices, agents = self.devices[process], self.processes[process]
        change = agents.disconnect if number in devices else agents.connect
        change(self.agents[number].pk)
        devices.symmetric_difference_update({number})

    def begin_work(self, _: int, number: int, *__: int) -> None:
        self._switch(number, ChatAvailability.AVAILABLE)
        if number not in self.devices[0]:
            self.plug(0, number)

    def kill(self, pick: int, *_: int) -> None:
        """A process dies with all of its connections, and another one is started."""
        self.start_process(pick % 2)

    def pass_time(self, seconds: int) -> None:
        """Let time pass while the jobs of both processes run."""
        end = self.clock.now() + timedelta(seconds=seconds)
        self.run(self._work())
        while self.clock.now() < end:
            self.clock.advance(min(STEP, end - self.clock.now()))
            self.run(self._work())
        self.run(self._check_work())

    async def _work(self) -> None:
        for agents in self.processes.values():
            await renew_leases(self.action, agents)
        waiting = await LiveChat.filter(state=ChatState.WAITING)
        givers = await passed_on_by([chat.ticket_id for chat in waiting])
        await asyncio.gather(
            *(handle_chats(self.action, agents, OPTIONS) for agents in self.processes.values())
        )
        await self._check_order(waiting, givers)
        await self.watch.refresh()
        for _ in range(10):
            await asyncio.sleep(0)

    # What has to be true.

    async def _check_order(
        self, formerly_waiting: Sequence[LiveChat], givers: Mapping[int, int]
    ) -> None:
        """Check that, of the chats that the same people can answer, the oldest got an agent."""
        queues = defaultdict(list)
        for former in sorted(formerly_waiting, key=lambda chat: (chat.queued_at, chat.ticket_id)):
            chat = await LiveChat.get(pk=former.pk).select_related("ticket")
            if chat.state in (ChatState.WAITING, ChatState.ACTIVE):
                key = (former.team_id, chat.ticket.category, givers.get(former.ticket_id))
                queues[key].append(chat.state)
        for states in queues.values():
            assert states == sorted(states)  # ACTIVE before WAITING

    async def _check_work(self) -> None:
        await self._check_waits()
        await self._check_clients()

    async def _check_waits(self) -> None:
        now = self.clock.now()
        chats = await LiveChat.all().select_related("ticket")
        counts = defaultdict[int, int](int)
        for chat in chats:
            if chat.state is ChatState.ACTIVE:
                counts[chat.agent_id or 0] += 1
        free = []
        for agent, (capacity, skills, is_member) in zip(self.agents, AGENTS, strict=True):
            if counts[agent.pk] < capacity and await self._is_ready(agent):
                free.append((agent.pk, skills, is_member))
        givers = await passed_on_by([chat.ticket_id for chat in chats])
        for chat in chats:
            if chat.state is not ChatState.WAITING:
                continue
            assert now - chat.since < timedelta(seconds=OPTIONS.wait_seconds)
            assert not [
                agent
                for agent in free
                if (not agent[1] or chat.ticket.category in agent[1])
                and (chat.team_id is None or agent[2])
                and agent[0] != givers.get(chat.ticket_id)
            ]

    async def _is_ready(self, agent: User) -> bool:
        number = self.agents.index(agent)
        profile = await AgentProfile.get(user=agent)
        is_connected = any(number in devices for devices in self.devices.values())
        return is_connected and profile.chat_availability is ChatAvailability.AVAILABLE

    async def _check_clients(self) -> None:
        """Check that customers have been shown the current state."""
        views = await chat_views(self.keys, self.clock.now())
        assert {key: self.seen[key] for key in self.keys} == views

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "agents"):
            self.run(self._agrees())

    async def _agrees(self) -> None:
        chats = await LiveChat.all().select_related("ticket").order_by("queued_at", "ticket_id")
        assert {chat.ticket_id for chat in chats} == set(self.keys)
        queues = defaultdict(list)
        for chat in chats:
            ticket = chat.ticket
            assert (chat.team_id, chat.agent_id) == (ticket.team_id, ticket.assignee_id)
            if chat.state is ChatState.WAITING:
                assert chat.agent_id is None
                queues[chat.team_id].append(chat.ticket_id)
            if chat.state is ChatState.ACTIVE:
                assert chat.agent_id is not None
            if chat.is_live:
                assert not ticket.is_finished
            elif chat.state is ChatState.ENDED:
                assert ticket.is_finished
            else:
                await self._check_told(chat)
        for keys in queues.values():
            assert await positions(keys) == {key: place for place, key in enumerate(keys, 1)}

    async def _check_told(self, chat: LiveChat) -> None:
        """Check that the customer of a chat that has become a ticket was told by an event, or from
        the start.
        """
        events = await Event.filter(
            stream=ticket_stream(chat.ticket_id), kind=EventKind.CHAT_DEFERRED
        )
        assert len(events) == (0 if chat.since == chat.ticket.created_at else 1)

    def teardown(self) -> None:
        async def end() -> None:
            for task in self.watchers:
                task.cancel()
            await asyncio.gather(*self.watchers, return_exceptions=True)

        self.run(end())
        self.stack.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_p5_5_chats_agree_after_whatever_happens(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    def open_database(stack: ExitStack) -> str:
        for file in tmp_path.glob("camcha.sqlite3*"):
            file.unlink()
        return stack.enter_context(database_copy(request, kind, tmp_path))

    ChatMachine.open_database = staticmethod(open_database)
    run_state_machine_as_test(
        ChatMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            phases=[Phase.reuse, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
