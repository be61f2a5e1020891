"""The guarantee of live delivery as a whole: clients of two processes connect, subscribe, stop
reading, lose their connections and their access, and send messages twice; Redis is killed and loses
messages, and processes are killed in the middle of what they do.

After each step every client has received events without a gap and none twice, and nothing that was
stored after it lost its access. In the end each client that has access has what the database has.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

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

from bench.redis_server import RedisServer
from models.accounts.account import Account
from models.action import Action
from models.database.connection import connect, disconnect
from models.event import Event
from models.identity.user import Staff, User
from models.support.classification import Category, Channel
from models.support.message import Message
from models.support.ticket import Ticket
from realtime import broadcast, relay
from realtime.hub import Hub
from realtime.presence import Presence
from realtime.relay import Relay
from tests.conftest import MovableClock, database_copy
from tests.people import add_member, create_account, create_staff, create_user
from tests.realtime.stream_fixtures import STREAM, MemorySocket, Person, StreamApp
from tests.waiting import MAX_WAIT

EXAMPLES = int(os.environ.get("CAMCHA_CASES", "1500")) // 750
STEPS = 30
START = datetime(2026, 11, 23, 9, tzinfo=UTC)
SECRET = "a secret key of a test, long enough"
EVENTS = "subscription($after: Int) { events(after: $after) { sequence greeting } }"
CLIENTS = 5
FIRST_SESSION = 10_000  # after those that StreamApp gives
ACTIONS = [
    "send",
    "send",
    "send",
    "send_twice_at_once",
    "send_again",
    "connect_or_disconnect",
    "connect_or_disconnect",
    "stop_reading",
    "resume_reading",
    "subscribe_again",
    "sign_out",
    "sign_out",
    "send",
    "suspend",
    "regain_access",
    "sweep",
    "kill_process",
    "kill_while_it_writes",
    "kill_or_start_redis",
    "lose_messages_of_redis",
]
Result = TypeVar("Result")


@dataclass
class Process:
    """A server process: its hub, its websockets, and its relay."""

    app: StreamApp
    relay: asyncio.Task[None]


@dataclass
class MachineClient:
    """Somebody's client, which resumes after the last event that it received."""

    name: str
    language: str
    session: int
    received: list[int] = field(default_factory=list)
    last_stored: int | None = None  # when it lost its access
    is_suspended: bool = False
    socket: MemorySocket | None = None
    operations: int = 0
    counted: int = 0  # events of the current operation that are in `received`

    def collect(self) -> None:
        """Take over what has arrived for the current operation."""
        if self.socket:
            sequences = self.socket.sequences(str(self.operations))
            self.received += sequences[self.counted :]
            self.counted = len(sequences)

    def subscribe(self) -> None:
        assert self.socket
        self.collect()
        self.operations, self.counted = self.operations + 1, 0
        after = self.received[-1] if self.received else 0
        self.socket.subscribe(str(self.operations), EVENTS, after=after)

    async def disconnect(self) -> None:
        if self.socket:
            await self.socket.disconnect()
            self.collect()
            self.socket = None

    @property
    def has_ended(self) -> bool:
        """Whether the connection or the operation was ended by the server."""
        return self.socket is not None and (
            self.socket.close_code is not None or self.socket.ended_by_error
        )


class DeliveryMachine(RuleBasedStateMachine):
    """Clients and processes around one ticket."""

    open_database: Callable[[ExitStack], str]
    redis: RedisServer

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        url = self.open_database(self.stack)
        self.runner = self.stack.enter_context(asyncio.Runner())
        self.clock = MovableClock(START)
        self.run(connect(url))
        self.stack.callback(lambda: self.run(disconnect()))
        self.sessions: set[int] = set()
        self.last_session = FIRST_SESSION
        self.sent: list[tuple[User, str]] = []
        if self.redis.process.poll() is not None:
            self.redis.start()
        self.has_redis = True

    def run(self, work: Awaitable[Result]) -> Result:
        async def wait() -> Result:
            return await work

        return self.runner.run(wait())

    @initialize()
    def begin(self) -> None:
        self.run(self._begin())

    async def _begin(self) -> None:
        self.processes = [await self._start_process(number) for number in range(2)]
        action = self._action(0)
        self.account: Account = await create_account(action)
        self.paul = await create_user(action, "Paul")
        await add_member(action, self.account, self.paul)
        self.alice = await create_staff(action, "Alice", Staff.AGENT)
        async with action.transaction() as tx:
            self.ticket = await Ticket.open(
                tx,
                self.account,
                self.paul,
                is_live=False,
                id=int(STREAM.partition(":")[2]),
                subject="Aide",
                channel=Channel.WEB,
                category=Category.USAGE,
            )
        self.clients = [
            MachineClient(f"client {number}", "en" if number % 2 else "fr", self._sign_in())
            for number in range(CLIENTS)
        ]
        for number, client in enumerate(self.clients):
            self._connect(client, number % 2)
        await self._pass_time()

    async def _start_process(self, number: int) -> Process:
        hub = Hub()
        app = StreamApp(Action(None, self.clock.now(), hub), hub=hub)
        app.sessions = self.sessions  # as all processes read them from the database
        task = asyncio.create_task(
            Relay(self.redis.url, SECRET, hub, Presence(hub, self.clock)).run()
        )
        return Process(app, task)

    def _sign_in(self) -> int:
        self.last_session += 1
        self.sessions.add(self.last_session)
        return self.last_session

    def _action(self, number: int, actor: User | None = None) -> Action:
        return Action(actor, self.clock.now(), self.processes[number].app.hub)

    def _connect(self, client: MachineClient, number: int) -> None:
        app = self.processes[number].app
        person = Person(app, client.name, client.language)
        self.sessions.discard(person.session)  # it has that of the client instead
        person.session, person.suspended = client.session, client.is_suspended
        client.socket = MemorySocket(app.endpoint, person)
        client.subscribe()

    async def _pass_time(self) -> None:
        await asyncio.sleep(0.002)
        for client in self.clients:
            client.collect()

    @rule(
        name=st.sampled_from(ACTIONS), number=st.integers(0, CLIENTS - 1), process=st.integers(0, 1)
    )
    def step(self, name: str, number: int, process: int) -> None:
        """Something happens in a process, or to a client. It is a single rule, so that none is
        left out.
        """
        self.run(self._step(name, number, process))

    async def _step(self, name: str, number: int, process: int) -> None:
        await getattr(self, name)(self.clients[number], process)
        await self._pass_time()

    # What happens.

    async def send(self, client: MachineClient, process: int) -> None:
        author = self.alice if client.language == "en" else self.paul
        self.sent.append((author, f"key-{len(self.sent)}"))
        await self._post(process, *self.sent[-1])

    async def _post(self, process: int, author: User, key: str) -> None:
        await self.ticket.reply(self._action(process, author), author, "Bonjour", key)

    async def send_twice_at_once(self, client: MachineClient, process: int) -> None:
        self.sent.append((self.paul, f"key-{len(self.sent)}"))
        await asyncio.gather(*(self._post(each, *self.sent[-1]) for each in (0, 1)))

    async def send_again(self, client: MachineClient, process: int) -> None:
        if self.sent:
            await self._post(process, *self.sent[-1])

    async def connect_or_disconnect(self, client: MachineClient, process: int) -> None:
        if client.socket is None:
            self._connect(client, process)
        else:
            await client.disconnect()

    async def stop_reading(self, client: MachineClient, process: int) -> None:
        if client.socket:
            client.socket.stop_reading()

    async def resume_reading(self, client: MachineClient, process: int) -> None:
        if client.socket:
            client.socket.resume_reading()

    async def subscribe_again(self, client: MachineClient, process: int) -> None:
        if client.socket and client.socket.close_code is None:
            client.socket.complete(str(client.operations))
            await asyncio.sleep(0.001)
            client.subscribe()

    async def sign_out(self, client: MachineClient, process: int) -> None:
        """End the session of a client in a process, which announces it to the others."""
        if client.last_stored is None:
            self.sessions.discard(client.session)
            client.last_stored = await self._head()
            self.processes[process].app.hub.announce([f"session:{client.session}"])
            client.session = 0

    async def suspend(self, client: MachineClient, process: int) -> None:
        """Hide the ticket from a client, in the database only."""
        if client.last_stored is None:
            client.is_suspended = True
            client.last_stored = await self._head()
            if client.socket:
                client.socket.person.suspended = True

    async def regain_access(self, client: MachineClient, process: int) -> None:
        if client.last_stored is not None:
            await self._reconnect_with_access(client, process)

    async def _reconnect_with_access(self, client: MachineClient, process: int) -> None:
        await client.disconnect()
        self._check(client)
        client.last_stored, client.is_suspended = None, False
        client.session = client.session or self._sign_in()
        self._connect(client, process)

    async def sweep(self, client: MachineClient, process: int) -> None:
        await self.processes[process].app.hub.sweep()

    async def kill_process(self, client: MachineClient, process: int) -> None:
        """A process dies with its connections, another one is started, and its clients connect to
        the one that remains.
        """
        app = self.processes[process].app
        lost = [each for each in self.clients if each.socket and each.socket.person.app is app]
        for each in lost:
            await each.disconnect()
        await self._end(self.processes[process])
        self.processes[process] = await self._start_process(process)
        for each in lost:
            self._connect(each, 1 - process)

    async def _end(self, process: Process) -> None:
        process.relay.cancel()
        with suppress(asyncio.CancelledError):
            await process.relay
        await process.app.endpoint.close_all()

    async def kill_while_it_writes(self, client: MachineClient, process: int) -> None:
        """A process dies before its transaction ends, or before it announces what it stored. The
        sender repeats the message through the other one.
        """
        self.sent.append((self.paul, f"key-{len(self.sent)}"))
        writing = asyncio.create_task(self._post(process, *self.sent[-1]))
        await asyncio.sleep(0.0005 * self.clients.index(client))
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        await self.kill_process(client, process)
        await self._post(1 - process, *self.sent[-1])

    async def kill_or_start_redis(self, client: MachineClient, process: int) -> None:
        change = self.redis.kill if self.has_redis else self.redis.start
        await asyncio.to_thread(change)
        self.has_redis = not self.has_redis

    async def lose_messages_of_redis(self, client: MachineClient, process: int) -> None:
        """Redis loses the subscriptions of the processes, and what is published before they have
        subscribed again.
        """
        if self.has_redis:
            self.redis.client().client_kill_filter(_type="pubsub")
            await self.send(client, process)

    # What has to be true.

    async def _head(self) -> int:
        events = await Event.filter(stream=STREAM).order_by("-sequence").limit(1)
        return events[0].sequence if events else 0

    @invariant()
    def receives_without_gaps(self) -> None:
        for client in getattr(self, "clients", ()):
            self._check(client)

    def _check(self, client: MachineClient) -> None:
        client.collect()
        assert client.received == list(range(1, len(client.received) + 1))
        if client.last_stored is not None:
            assert len(client.received) <= client.last_stored

    async def _settle(self) -> None:
        """Let everybody read what remains."""
        if not self.has_redis:
            await asyncio.to_thread(self.redis.start)
        for client in self.clients:
            if client.socket:
                client.socket.resume_reading()
            if client.last_stored is None and (client.socket is None or client.has_ended):
                await client.disconnect()
                self._connect(client, 0)
        stored = [
            event.sequence for event in await Event.filter(stream=STREAM).order_by("sequence")
        ]
        assert stored == list(range(1, len(stored) + 1))
        having_access = [each for each in self.clients if each.last_stored is None]
        async with asyncio.timeout(MAX_WAIT):
            while any(each.received != stored for each in having_access):
                for process in self.processes:
                    await process.app.hub.sweep()
                await self._pass_time()
        for client in self.clients:
            self._check(client)
        messages = await Message.filter(ticket_id=self.ticket.pk)
        keys = sorted(message.client_message_id for message in messages)
        assert keys == sorted(key for _, key in self.sent)

    def teardown(self) -> None:
        try:
            if hasattr(self, "clients"):
                self.run(self._settle())
        finally:
            self.run(self._close())
            self.stack.close()

    async def _close(self) -> None:
        for client in getattr(self, "clients", ()):
            await client.disconnect()
        for process in getattr(self, "processes", ()):
            await self._end(process)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_p5_5_clients_end_up_with_what_the_database_has(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_database(stack: ExitStack) -> str:
        for file in tmp_path.glob("camcha.sqlite3*"):
            file.unlink()
        return stack.enter_context(database_copy(request, kind, tmp_path))

    monkeypatch.setattr(relay, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(broadcast, "ACCESS_SECONDS", 0)
    monkeypatch.setattr(broadcast, "PAGE_SIZE", 3)
    redis = RedisServer()
    try:
        DeliveryMachine.open_database = staticmethod(open_database)
        DeliveryMachine.redis = redis
        run_state_machine_as_test(
            DeliveryMachine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                phases=[Phase.reuse, Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        redis.close()
