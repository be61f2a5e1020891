"""A small GraphQL API behind a real websocket endpoint, served by uvicorn on uvloop in a thread of
its own.
"""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import orjson
import strawberry
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from strawberry.scalars import JSON
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from engine import Engine
from models.errors import ServiceUnavailable
from realtime.client import SocketLimits
from realtime.close_codes import CloseCode, CloseConnection
from realtime.endpoint import SocketEndpoint
from realtime.hub import Listener
from realtime.messages import SUBPROTOCOL
from realtime.uvicorn_protocol import UVICORN_OPTIONS, UvicornProtocol
from tests.waiting import MAX_WAIT

T = TypeVar("T")
DEFAULTS = SocketLimits()


class ResolverTrace:
    """What the resolvers did, and the signals that they wait for."""

    def __init__(self) -> None:
        self.produced = 0
        self.contexts = 0
        self.open: set[str] = set()
        self.started: list[str] = []
        self.stored: list[str] = []
        self._signals: dict[str, asyncio.Event] = {}

    def signal(self, name: str) -> asyncio.Event:
        """The signal of this name, which a resolver waits for when its `until` names it.
        `Server.set_signal` sets it.
        """
        return self._signals.setdefault(name, asyncio.Event())

    async def wait(self, name: str | None) -> None:
        if name is not None:
            await self.signal(name).wait()


@strawberry.type
class Query:
    @strawberry.field
    async def hello(self, name: str = "world") -> str:
        return f"hello {name}"

    @strawberry.field
    async def broken(self) -> str:
        raise ValueError("secret")

    @strawberry.field
    async def not_json(self) -> JSON:
        return JSON({"a": object()})

    @strawberry.field
    async def context(self, info: strawberry.Info) -> int:
        return int(info.context["number"])


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def store(self, info: strawberry.Info, word: str, until: str | None = None) -> str:
        trace = info.context["trace"]
        trace.started.append(word)
        await trace.wait(until)
        trace.stored.append(word)
        return word


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, to: int) -> AsyncGenerator[int, None]:
        for number in range(to):
            yield number

    @strawberry.subscription
    async def wait(
        self, info: strawberry.Info, name: str = "w", cleanup: str | None = None
    ) -> AsyncGenerator[str, None]:
        """Runs until it is cancelled, and then cleans up until the signal named by `cleanup`."""
        trace = info.context["trace"]
        trace.open.add(name)
        try:
            yield "waiting"
            await asyncio.Event().wait()
        finally:
            await trace.wait(cleanup)
            trace.open.discard(name)

    @strawberry.subscription
    async def flood(
        self,
        info: strawberry.Info,
        kilobytes: int = 0,
        cleanup: str | None = None,
        name: str = "flood",
    ) -> AsyncGenerator[str, None]:
        trace = info.context["trace"]
        trace.open.add(name)
        try:
            while True:
                trace.produced += 1
                yield "x" * 1024 * kilobytes
        finally:
            await trace.wait(cleanup)
            trace.open.discard(name)

    @strawberry.subscription
    async def ignores_cancellation(self, info: strawberry.Info) -> AsyncGenerator[int, None]:
        trace = info.context["trace"]
        trace.open.add("ignores cancellation")
        try:
            for number in range(50):
                with suppress(asyncio.CancelledError):
                    yield number
                    await asyncio.sleep(0.02)
        finally:
            trace.open.discard("ignores cancellation")

    @strawberry.subscription
    async def failing(self) -> AsyncGenerator[int, None]:
        yield 1
        raise ValueError("secret")


SCHEMA = strawberry.Schema(Query, Mutation, Subscription)


class FakeClient:
    """The client that the endpoint identifies. Implements realtime.client.Client."""

    cost_limit: int | None = None
    max_response_bytes: int | None = None
    introspection = True
    trusted_only = False

    def __init__(
        self, trace: ResolverTrace, name: Hashable | None = None, seconds: float | None = None
    ) -> None:
        self.trace, self.name, self.seconds = trace, name, seconds
        self.connections: list[str] = []
        self.listeners: list[Listener] = []
        self.code: asyncio.Future[CloseCode] = asyncio.get_running_loop().create_future()

    @property
    def person(self) -> Hashable | None:
        return self.name

    def seconds_left(self) -> float | None:
        return self.seconds

    def context(self) -> dict[str, Any]:
        self.trace.contexts += 1
        return {"trace": self.trace, "number": self.trace.contexts}

    def connected(self) -> None:
        assert self.connections == []
        self.connections.append("connected")

    def disconnected(self) -> None:
        self.connections.append("disconnected")

    def add_listener(self, listener: Listener) -> None:
        self.listeners.append(listener)
        self.code.add_done_callback(lambda _: listener())

    def remove_listener(self, listener: Listener) -> None:
        self.listeners.remove(listener)

    async def close_code(self) -> CloseCode | None:
        return self.code.result() if self.code.done() else None


class QuickProtocol(UvicornProtocol):
    """Disconnects clients that don't read, and does so sooner than in production."""

    close_seconds = 0.2


class Server:
    def __init__(
        self, loop: asyncio.AbstractEventLoop, limits: SocketLimits, origins: frozenset[str]
    ) -> None:
        self.loop = loop
        self.trace = ResolverTrace()
        self.clients: list[FakeClient] = []
        self.payloads: list[dict[str, Any]] = []
        self.endpoint = SocketEndpoint(Engine(SCHEMA._schema), self._on_connect, limits, origins)
        self.port = 0
        self.uvicorn = uvicorn.Server(
            uvicorn.Config(
                Starlette(routes=[WebSocketRoute("/graphql", self.endpoint)]),
                port=0,
                **UVICORN_OPTIONS | {"ws": QuickProtocol},
                log_config=None,
                lifespan="off",
                timeout_graceful_shutdown=20,
            )
        )

    async def _on_connect(self, payload: dict[str, Any], websocket: WebSocket) -> FakeClient:
        self.payloads.append(payload)
        match payload.get("on_connect"):
            case "refuse":
                raise CloseConnection(CloseCode.FORBIDDEN, "Forbidden")
            case "crash":
                raise ValueError("secret")
            case "hang":
                await asyncio.Event().wait()
            case "outage" if len(self.payloads) <= payload["attempts"]:
                raise ServiceUnavailable("outage")
        self.clients.append(
            FakeClient(self.trace, payload.get("name", object()), payload.get("seconds"))
        )
        return self.clients[-1]

    async def run(self, ready: threading.Event) -> None:
        serve_task = asyncio.create_task(self.uvicorn.serve())
        await wait_until(lambda: self.uvicorn.started)
        self.port = self.uvicorn.servers[0].sockets[0].getsockname()[1]
        ready.set()
        await serve_task

    async def call(self, function: Callable[[], Awaitable[T]]) -> T:
        """The result of a function that is called in the server's loop."""

        async def call_function() -> T:
            return await function()

        return await asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(call_function(), self.loop)
        )

    def block(self, seconds: float) -> None:
        """Keep the server's loop busy, so that it neither reads nor runs timers in the meantime."""
        is_blocked = threading.Event()

        def sleep() -> None:
            is_blocked.set()
            time.sleep(seconds)

        self.loop.call_soon_threadsafe(sleep)
        assert is_blocked.wait(MAX_WAIT)

    async def tasks(self) -> int:
        """How many tasks the server runs besides its own and this call."""

        async def count() -> int:
            return len(asyncio.all_tasks()) - 3

        return await self.call(count)

    async def has_no_tasks(self) -> bool:
        return await self.tasks() == 0

    async def set_signal(self, signal: str) -> None:
        """Let the resolvers that wait for this signal continue."""

        async def set_signal() -> None:
            self.trace.signal(signal).set()

        await self.call(set_signal)

    async def end_session(self, code: CloseCode) -> None:
        """End the session of the last client, whose connection must close with this code."""

        async def end_session() -> None:
            self.clients[-1].code.set_result(code)

        await self.call(end_session)

    def open_websocket(self, **options: Any) -> connect:
        """A websocket that hasn't sent `connection_init`."""
        options = {"subprotocols": [Subprotocol(SUBPROTOCOL)], "ping_interval": None, **options}
        return connect(f"ws://127.0.0.1:{self.port}/graphql", **options)

    async def connect(self, **options: Any) -> ClientConnection:
        """A websocket that has been acknowledged; the caller closes it."""
        client = await self.open_websocket(**options)
        await send(client, type="connection_init")
        assert await receive(client) == {"type": "connection_ack"}
        return client


@contextmanager
def running_server(
    limits: SocketLimits = DEFAULTS, origins: frozenset[str] = frozenset()
) -> Iterator[Server]:
    """A running server. Leaving the context stops it, and fails when it doesn't stop."""
    loop = uvloop.new_event_loop()
    server = Server(loop, limits, origins)
    ready = threading.Event()
    thread = threading.Thread(
        target=loop.run_until_complete, args=(server.run(ready),), daemon=True
    )
    thread.start()
    try:
        assert ready.wait(MAX_WAIT)
        yield server
    finally:
        server.uvicorn.should_exit = True
        thread.join(MAX_WAIT)
        assert not thread.is_alive()
        loop.close()


async def send(client: ClientConnection, **message: Any) -> None:
    await client.send(orjson.dumps(message).decode())


async def subscribe(
    client: ClientConnection, operation_id: str, query: str, **payload: Any
) -> None:
    await send(client, id=operation_id, type="subscribe", payload={"query": query, **payload})


async def receive(client: ClientConnection) -> Any:
    async with asyncio.timeout(MAX_WAIT):
        return orjson.loads(await client.recv())


async def receive_pong(client: ClientConnection) -> list[Any]:
    """Ping the server, and return the messages that arrive before its answer."""
    await send(client, type="ping", payload={"last": True})
    messages = []
    while (message := await receive(client)) != {"type": "pong", "payload": {"last": True}}:
        messages.append(message)
    return messages


async def wait_until_closed(client: ClientConnection) -> tuple[int | None, str | None]:
    """The code and the reason the connection was closed with. Messages before that are dropped."""
    with suppress(ConnectionClosed):
        async with asyncio.timeout(MAX_WAIT):
            while True:
                await client.recv()
    return client.close_code, client.close_reason


async def wait_until(condition: Callable[[], Awaitable[bool] | bool]) -> None:
    async with asyncio.timeout(MAX_WAIT):
        while True:
            result = condition()
            if result if isinstance(result, bool) else await result:
                return
            await asyncio.sleep(0.01)
