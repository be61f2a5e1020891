"""A small application with one stream of stored events, and people who subscribe to it over
websockets, real or in memory.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
import strawberry
import uvicorn
from graphql import GraphQLError
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from engine import Engine
from models.action import Action
from models.errors import NotFound
from models.event import EventKind, ticket_stream
from realtime.broadcast import Broadcast, Subscription
from realtime.client import Client, SocketLimits
from realtime.close_codes import CloseCode
from realtime.endpoint import SocketEndpoint
from realtime.hub import Hub, Listener
from realtime.messages import SUBPROTOCOL
from realtime.stream import EventStream
from realtime.uvicorn_protocol import ASGI_EXTENSION, UVICORN_OPTIONS
from tests.realtime.socket_fixtures import wait_until

STREAM = ticket_stream(7)
LIMITS = SocketLimits(messages_per_minute=1_000_000)


class Person:
    """Someone who is signed in, and whose language decides what they see. Implements
    realtime.client.Client.
    """

    cost_limit: int | None = None
    max_response_bytes: int | None = None
    introspection = True
    trusted_only = False

    def __init__(self, app: "StreamApp", name: str, language: str = "fr") -> None:
        self.app, self.name, self.language, self.suspended = app, name, language, False
        self.session = app.start_session()
        self.check_allowed = (
            asyncio.Event()
        )  # cleared while the check of the session takes its time
        self.check_allowed.set()

    @property
    def session_key(self) -> str:
        return f"session:{self.session}"

    @property
    def person(self) -> str:
        return self.name

    def seconds_left(self) -> float | None:
        return None

    def context(self) -> "Context":
        return Context(self)

    def connected(self) -> None:
        pass

    def disconnected(self) -> None:
        pass

    def add_listener(self, listener: Listener) -> None:
        self.app.hub.add_listener(listener, self.session_key)

    def remove_listener(self, listener: Listener) -> None:
        self.app.hub.remove_listener(listener, self.session_key)

    async def close_code(self) -> CloseCode | None:
        await self.check_allowed.wait()
        return None if self.session in self.app.sessions else CloseCode.UNAUTHORIZED

    def sign_out(self, announce: bool = True) -> None:
        """End the session in this process, or in another one when it is not announced."""
        self.app.sessions.discard(self.session)
        if announce:
            self.app.hub.announce([self.session_key])


class Context:
    """An operation's context, which records the facts that are read when it is made by
    `recorded`.
    """

    def __init__(self, person: Person, facts: dict[str, Any] | None = None) -> None:
        self._person, self._facts, self.app = person, facts, person.app

    def now(self) -> datetime:
        return datetime.now(UTC)

    def read(self, name: str) -> Any:
        if self._facts is not None:
            self._facts[name] = self.dependency_value(name)
        return self.dependency_value(name)

    def dependency_value(self, name: str) -> Any:
        return getattr(self._person, name)

    def recording_context(self) -> "tuple[Context, dict[str, Any]]":
        facts: dict[str, Any] = {}
        return Context(self._person, facts), facts


@strawberry.type
class StoredEvent:
    sequence: int

    @strawberry.field
    async def greeting(self, info: strawberry.Info) -> str:
        info.context.app.executed["greeting"] += 1
        await asyncio.sleep(0)
        return f"{info.context.read('language')} {self.sequence}"

    @strawberry.field
    def name(self, info: strawberry.Info) -> str:
        info.context.app.executed["name"] += 1
        return str(info.context.read("name"))

    @strawberry.field
    def broken(self) -> str | None:
        raise ValueError("for everyone")


@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str:
        return "world"


@strawberry.type
class Subscriptions:
    @strawberry.subscription
    async def events(
        self, info: strawberry.Info, after: int | None = None
    ) -> AsyncIterator[StoredEvent]:
        context: Context = info.context
        return EventStream(  # type: ignore[return-value] # graphql-core accepts what has __aiter__
            hub=context.app.hub,
            key=STREAM,
            after=after,
            context=context,
            session=context.dependency_value("session"),
            valid_sessions=context.app.valid_sessions,
            check_access=_check_access,
        )


async def _check_access(context: Context) -> None:
    if context.read("suspended"):
        raise NotFound


SCHEMA = strawberry.Schema(Query, subscription=Subscriptions)


def format_error(error: GraphQLError, context: Context) -> dict[str, Any]:
    """An error by its type only."""
    return {"message": type(error.original_error).__name__}


class StreamApp:
    """The application: a hub, a websocket endpoint, the sessions that are valid, and the number of
    executions.
    """

    def __init__(
        self, action: Action, engine: Engine | None = None, hub: Hub | None = None
    ) -> None:
        self.hub = hub or Hub()
        self.endpoint = SocketEndpoint(
            engine or Engine(SCHEMA._schema, format_error=format_error), self._on_connect, LIMITS
        )
        self.sessions: set[int] = set()
        self.executed: Counter[str] = Counter()
        self.session_checks = 0
        self._action = Action(None, action.at, self.hub)
        self._last_session = 0

    async def _on_connect(self, payload: dict[str, Any], websocket: WebSocket) -> Client:
        if CLIENT in websocket.scope:
            return await client_in_memory(payload, websocket)
        return Person(self, payload["name"], payload.get("language", "fr"))

    def start_session(self) -> int:
        self._last_session += 1
        self.sessions.add(self._last_session)
        return self._last_session

    async def valid_sessions(self, sessions: Collection[int]) -> set[int]:
        self.session_checks += 1
        return self.sessions & set(sessions)

    async def append(self, events: int = 1, announce: bool = True) -> None:
        """Store events in one transaction, in this process or, when they are not announced, in
        another one.
        """
        action = self._action if announce else Action(None, self._action.at, Hub())
        async with action.transaction() as tx:
            for _ in range(events):
                await tx.append(STREAM, EventKind.STATUS_CHANGED)

    @property
    def broadcasts(self) -> list[Broadcast]:
        return list(self.endpoint._broadcasts._open.values())

    @property
    def live_subscriptions(self) -> list[Subscription]:
        """The subscriptions that need no task."""
        return live_subscriptions(self.endpoint)

    @property
    def is_idle(self) -> bool:
        """Whether no subscription and no listener is left."""
        return not self.broadcasts and not self.hub.keys()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[int]:
        """Serve the application with uvicorn. Yields the port. The payload of `connection_init`
        names the person.
        """
        app = Starlette(routes=[WebSocketRoute("/graphql", self.endpoint)])
        server = uvicorn.Server(
            uvicorn.Config(app, port=0, **UVICORN_OPTIONS, log_config=None, lifespan="off")
        )
        serve_task = asyncio.create_task(server.serve())
        await wait_until(lambda: server.started)
        try:
            yield server.servers[0].sockets[0].getsockname()[1]
        finally:
            await self.endpoint.close_all()
            server.should_exit = True
            await serve_task


def live_subscriptions(endpoint: SocketEndpoint) -> list[Subscription]:
    """The endpoint's subscriptions that need no task."""
    return [
        subscription
        for broadcast in endpoint._broadcasts._open.values()
        for subscription in broadcast._live
    ]


CLIENT = "camcha.test_client"  # the key in a MemorySocket's scope


async def client_in_memory(payload: dict[str, Any], websocket: WebSocket) -> Client:
    """The client of a MemorySocket. An endpoint's `on_connect`."""
    client: Client = websocket.scope[CLIENT]
    return client


class MemorySocket:
    """A websocket in memory: the server's protocol (see realtime/uvicorn_protocol.py) with a client
    that can stop reading.
    """

    def __init__(self, endpoint: SocketEndpoint, client: Client) -> None:
        self.endpoint, self.client = endpoint, client
        self.messages: list[tuple[str, str, Any]] = []  # id, type and payload of what arrived
        self.is_acknowledged = False
        self.close_code: int | None = None
        self.written_directly = 0
        self.arrived = asyncio.Event()
        self.pending = False  # whether a message waits until the client reads
        self._requests: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._reads = asyncio.Event()
        self._reads.set()
        self._gone = False
        scope = {
            "type": "websocket",
            "path": "/graphql",
            "headers": [],
            "subprotocols": [SUBPROTOCOL],
            "extensions": {ASGI_EXTENSION: self},
            CLIENT: client,
        }
        self._requests.put_nowait({"type": "websocket.connect"})
        self._request(type="connection_init")
        self._task = asyncio.create_task(endpoint(scope, self._requests.get, self._send))

    @property
    def person(self) -> Person:
        assert isinstance(self.client, Person)
        return self.client

    def _request(self, **message: Any) -> None:
        self._requests.put_nowait(
            {"type": "websocket.receive", "text": orjson.dumps(message).decode()}
        )

    def subscribe(self, operation_id: str, query: str, **variables: Any) -> None:
        self._request(
            id=operation_id, type="subscribe", payload={"query": query, "variables": variables}
        )

    def complete(self, operation_id: str) -> None:
        self._request(id=operation_id, type="complete")

    def stop_reading(self) -> None:
        self._reads.clear()

    def resume_reading(self) -> None:
        self._reads.set()

    async def disconnect(self) -> None:
        """Disconnect without a close frame, and wait until the server has cleaned up."""
        self._gone = True
        self.resume_reading()
        self._requests.put_nowait(
            {"type": "websocket.disconnect", "code": CloseCode.ABNORMAL_CLOSURE}
        )
        await self._task

    def drop_headers(self) -> None:
        pass

    def try_write(self, frame: bytes) -> bool:
        if self._gone or not self._reads.is_set():
            return False
        self.written_directly += 1
        self._deliver(_frame_payload(frame))
        return True

    async def _send(self, event: Any) -> None:
        self.pending = not self._reads.is_set()
        await self._reads.wait()
        self.pending = False
        if self._gone:
            raise OSError("the client is gone")
        if event["type"] == "websocket.send":
            self._deliver(event["text"].encode())
        elif event["type"] == "websocket.close":
            self.close_code = event["code"]

    def _deliver(self, text: bytes) -> None:
        message = orjson.loads(text)
        if "id" in message:
            self.messages.append((message["id"], message["type"], message.get("payload")))
            self.arrived.set()
        elif message.get("type") == "connection_ack":
            self.is_acknowledged = True

    def payloads(self, operation_id: str = "1") -> list[Any]:
        """The results of this operation in their order."""
        return [
            payload
            for id_, kind, payload in self.messages
            if id_ == operation_id and kind == "next"
        ]

    def sequences(self, operation_id: str = "1") -> list[int]:
        """The numbers of the events that arrived for this operation in their order."""
        return [
            payload["data"]["events"]["sequence"]
            for payload in self.payloads(operation_id)
            if payload["data"]
        ]

    def errors(self) -> list[str]:
        """The types of the errors that ended the last operation."""
        if self.messages[-1][1] == "error":
            return [error["message"] for error in self.messages[-1][2]]
        return [error["message"] for error in self.payloads()[-1]["errors"]]

    @property
    def ended_by_error(self) -> bool:
        """Whether an error ended the last operation, or prevented it from starting."""
        kinds = [kind for _, kind, _ in self.messages[-2:]]
        if kinds[-1:] == ["error"]:
            return True
        return kinds == ["next", "complete"] and bool(self.messages[-2][2].get("errors"))

    def is_live(self, operation_id: str = "1") -> bool:
        """Whether the subscription needs no task."""
        subscriptions = [
            each for each in live_subscriptions(self.endpoint) if each.operation_id == operation_id
        ]
        return any(each.connection.client is self.client for each in subscriptions)


@asynccontextmanager
async def connect(endpoint: SocketEndpoint, client: Client) -> AsyncIterator[MemorySocket]:
    """A websocket that is disconnected at the end."""
    socket = MemorySocket(endpoint, client)
    try:
        yield socket
    finally:
        await socket.disconnect()


def _frame_payload(frame: bytes) -> bytes:
    """The text in a frame of a server (RFC 6455, section 5.2)."""
    return frame[{126: 4, 127: 10}.get(frame[1], 2) :]


async def results(
    endpoint: SocketEndpoint, client: Client, query: str, **variables: Any
) -> AsyncGenerator[Any, None]:
    """The results of one subscription as they arrive; of one that can't start, its errors."""
    async with connect(endpoint, client) as socket:
        socket.subscribe("1", query, **variables)
        while True:
            while not socket.messages:
                socket.arrived.clear()
                await socket.arrived.wait()
            _, kind, payload = socket.messages.pop(0)
            if kind == "complete":
                return
            if kind == "error":
                yield {"errors": payload}
                return
            yield payload
