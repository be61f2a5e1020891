"""A toy graph with one stream of stored events, and people who follow it: on sockets in memory, or on real ones."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any

import orjson
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from engine import Engine, Params
from models.action import Action
from models.errors import NotFound
from models.event import EventKind
from realtime.broadcast import Channels, Follower
from realtime.endpoint import Socket, SocketLimits
from realtime.hub import Hub, Sleeper
from realtime.messages import Subscribe
from realtime.operations import Gone, Operations
from realtime.stream import Feed
from realtime.uvicorn_protocol import UVICORN
from tests.realtime.socket_fixtures import until

STREAM = "ticket:7"


class Person:
    """Somebody with a session, and a language that what they see depends on."""

    cost_limit: int | None = None
    introspection = True
    trusted_only = False

    def __init__(self, room: "Room", name: str, language: str = "fr") -> None:
        self.room, self.name, self.language, self.banned = room, name, language, False
        self.session = room.next_session()

    def context(self) -> "Context":
        return Context(self)

    def listen(self, sleeper: Sleeper) -> None:
        self.room.hub.add(sleeper, f"session:{self.session}")

    def unlisten(self, sleeper: Sleeper) -> None:
        self.room.hub.remove(sleeper, f"session:{self.session}")

    async def ended(self) -> int | None:
        return None if self.session in self.room.sessions else 4401

    def sign_out(self) -> None:
        """As another process would: nobody announces it."""
        self.room.sessions.discard(self.session)


class Context:
    """A person, and what was read of them."""

    def __init__(self, person: Person, facts: dict[str, Any] | None = None) -> None:
        self._person, self._facts, self.room = person, facts, person.room

    def read(self, name: str) -> Any:
        if self._facts is not None:
            self._facts[name] = self.fact(name)
        return self.fact(name)

    def fact(self, name: str) -> Any:
        return getattr(self._person, name)

    def recorded(self) -> "tuple[Context, dict[str, Any]]":
        facts: dict[str, Any] = {}
        return Context(self._person, facts), facts


@strawberry.type
class Told:
    sequence: int

    @strawberry.field
    async def greeting(self, info: strawberry.Info) -> str:
        context = info.context
        context.room.executed["greeting"] += 1
        await asyncio.sleep(0)
        return f"{context.read('language')} {self.sequence}"

    @strawberry.field
    def name(self, info: strawberry.Info) -> str:
        info.context.room.executed["name"] += 1
        return str(info.context.read("name"))

    @strawberry.field
    def broken(self, info: strawberry.Info) -> str | None:
        raise ValueError("for everybody")


@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str:
        return "world"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def events(self, info: strawberry.Info, after: int | None = None) -> AsyncIterator[Told]:
        context: Context = info.context
        return Feed(  # type: ignore[return-value] # an async iterable is what counts
            hub=context.room.hub, stream=STREAM, after=after, context=context, session=context.fact("session"),
            standing=context.room.standing, rule=_rule, woken_by=f"session:{context.fact('session')}",
        )  # fmt: skip


async def _rule(context: Context) -> None:
    if context.read("banned"):
        raise NotFound


SCHEMA = strawberry.Schema(Query, subscription=Subscription)


class Room:
    """The stream, its channels, and who is in."""

    def __init__(self, action: Action) -> None:
        self.hub = Hub()
        self.engine = Engine(SCHEMA._schema)
        self.channels = Channels(self.engine)
        self.sessions: set[int] = set()
        self.executed: Counter[str] = Counter()
        self.asked = 0
        self._act = Action(None, action.at, self.hub)
        self._given = 0

    def next_session(self) -> int:
        self._given += 1
        self.sessions.add(self._given)
        return self._given

    async def standing(self, sessions: Collection[int]) -> set[int]:
        self.asked += 1
        return self.sessions & set(sessions)

    async def say(self, events: int = 1, stream: str = STREAM) -> None:
        """One transaction of so many events."""
        async with self._act.transaction() as tx:
            for _ in range(events):
                await tx.append(stream, EventKind.STATUS_CHANGED)

    @property
    def empty(self) -> bool:
        """Whether nothing is left of anybody."""
        return not self.channels._open and not self.hub.listened("")

    @asynccontextmanager
    async def served(self, limits: SocketLimits | None = None) -> AsyncIterator[int]:
        """The room behind a real websocket server; its port. The connection_init's payload names who comes."""

        async def connect(payload: dict[str, Any], websocket: WebSocket) -> Person:
            return Person(self, payload["name"], payload.get("language", "fr"))

        socket = Socket(self.engine, connect, limits or SocketLimits(messages_per_minute=100_000), frozenset())
        self.channels, self.close = socket._channels, socket.close_all
        app = Starlette(routes=[WebSocketRoute("/graphql", socket)])
        server = uvicorn.Server(uvicorn.Config(app, port=0, **UVICORN, log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve())
        await until(lambda: server.started)
        try:
            yield server.servers[0].sockets[0].getsockname()[1]
        finally:
            await socket.close_all()
            server.should_exit = True
            await serving


class Peer:
    """Somebody's socket in memory: it can stop reading, and remembers what arrived."""

    def __init__(self, room: Room, person: Person) -> None:
        self.connection = person
        self.operations = Operations(self, room.channels, 100)
        self.doubted = 0
        self.heard: list[tuple[str, str, Any]] = []
        self.put_in_passing = 0
        self._flows = asyncio.Event()
        self._flows.set()
        self._left = False

    async def ask(self, key: str, query: str, **variables: Any) -> None:
        params = Params(query=query, variables=variables)
        await self.operations.start(Subscribe(key, params))

    def stall(self) -> None:
        self._flows.clear()

    def flow(self) -> None:
        self._flows.set()

    async def leave(self) -> None:
        self._left = True
        self.operations.end()
        self.flow()
        await self.operations.settle()

    def put(self, frame: bytes) -> bool:
        if self._left or self.doubted or not self._flows.is_set():
            return False
        self.put_in_passing += 1
        self._take(frame[frame.index(b"{") :])
        return True

    async def send(self, text: str) -> None:
        await self._flows.wait()
        if self._left:
            raise Gone
        self._take(text.encode())

    def release(self, follower: Follower) -> None:
        self.operations.release(follower)

    def _take(self, text: bytes) -> None:
        message = orjson.loads(text)
        self.heard.append((message["id"], message["type"], message.get("payload")))

    def sequences(self, key: str = "1") -> list[int]:
        """The numbers of the events that came under this id, in the order in which they came."""
        return [
            payload["data"]["events"]["sequence"] for id_, kind, payload in self.heard
            if id_ == key and kind == "next" and payload["data"]
        ]  # fmt: skip

    @property
    def over(self) -> bool:
        """Whether the last operation was ended by an error."""
        return len(self.heard) > 1 and self.heard[-1][1] == "complete" and bool(self.heard[-2][2]["errors"])

    def ready(self, key: str = "1") -> bool:
        """Whether the operation needs no task of its own."""
        return isinstance(self.operations._open.get(key), Follower)


async def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    await until(condition, seconds)
