"""A toy graph behind a real Socket, in a real uvicorn on uvloop in its own thread."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
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
from realtime.endpoint import Refused, Socket, SocketLimits
from realtime.hub import Sleeper
from realtime.uvicorn_protocol import UVICORN

T = TypeVar("T")
DEFAULTS = SocketLimits()


class Toy:
    """What the toy graph's resolvers leave behind."""

    def __init__(self) -> None:
        self.pulled = 0
        self.contexts = 0
        self.open: set[str] = set()
        self.begun: list[str] = []
        self.mutated: list[str] = []


@strawberry.type
class Query:
    @strawberry.field
    async def hello(self, name: str = "world") -> str:
        return f"hello {name}"

    @strawberry.field
    async def broken(self) -> str:
        raise ValueError("secret")

    @strawberry.field
    async def unspeakable(self) -> JSON:
        return JSON({"a": object()})

    @strawberry.field
    async def context(self, info: strawberry.Info) -> int:
        return int(info.context["number"])


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def keep(self, info: strawberry.Info, word: str, after: float = 0) -> str:
        toy = info.context["toy"]
        toy.begun.append(word)
        await asyncio.sleep(after)
        toy.mutated.append(word)
        return word


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, to: int) -> AsyncGenerator[int, None]:
        for number in range(to):
            yield number

    @strawberry.subscription
    async def contexts(self, info: strawberry.Info) -> AsyncGenerator[int, None]:
        for _ in range(2):
            yield info.context["toy"].contexts

    @strawberry.subscription
    async def wait(self, info: strawberry.Info, name: str = "w", leave_after: float = 0) -> AsyncGenerator[str, None]:
        toy = info.context["toy"]
        toy.open.add(name)
        try:
            yield "waiting"
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(leave_after)
            toy.open.discard(name)

    @strawberry.subscription
    async def flood(
        self, info: strawberry.Info, kilobytes: int = 0, leave_after: float = 0, name: str = "flood"
    ) -> AsyncGenerator[str, None]:
        toy = info.context["toy"]
        toy.open.add(name)
        try:
            while True:
                toy.pulled += 1
                yield "x" * 1024 * kilobytes
        finally:
            await asyncio.sleep(leave_after)
            toy.open.discard(name)

    @strawberry.subscription
    async def stubborn(self) -> AsyncGenerator[int, None]:
        for number in range(50):
            try:
                yield number
                await asyncio.sleep(0.02)
            except asyncio.CancelledError:
                continue

    @strawberry.subscription
    async def failing(self) -> AsyncGenerator[int, None]:
        yield 1
        raise ValueError("secret")


SCHEMA = strawberry.Schema(Query, Mutation, Subscription)


class Visitor:
    """Whom the toy application lets in."""

    def __init__(self, toy: Toy) -> None:
        self.toy = toy
        self.cost_limit: int | None = None
        self.introspection = True
        self.trusted_only = False
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def context(self) -> dict[str, Any]:
        self.toy.contexts += 1
        return {"toy": self.toy, "number": self.toy.contexts}

    def listen(self, sleeper: Sleeper) -> None:
        self.code.add_done_callback(lambda _: sleeper.wake())

    def unlisten(self, sleeper: Sleeper) -> None:
        pass

    async def ended(self) -> int | None:
        return self.code.result() if self.code.done() else None


class House:
    def __init__(self, loop: asyncio.AbstractEventLoop, limits: SocketLimits, origins: frozenset[str]) -> None:
        self.loop = loop
        self.toy = Toy()
        self.visitors: list[Visitor] = []
        self.payloads: list[dict[str, Any]] = []
        self.socket = Socket(Engine(SCHEMA._schema), self._connect, limits, origins)
        self.port = 0
        self.server = uvicorn.Server(
            uvicorn.Config(
                Starlette(routes=[WebSocketRoute("/graphql", self.socket)]),
                port=0,
                **UVICORN,
                log_config=None,
                lifespan="off",
                timeout_graceful_shutdown=20,
            )
        )

    async def _connect(self, payload: dict[str, Any], websocket: WebSocket) -> Visitor:
        self.payloads.append(payload)
        match payload.get("as"):
            case "nobody":
                raise Refused(4403, "Forbidden")
            case "crash":
                raise ValueError("secret")
            case "slow":
                await asyncio.sleep(60)
        self.visitors.append(Visitor(self.toy))
        return self.visitors[-1]

    async def run(self, ready: threading.Event) -> None:
        serving = asyncio.create_task(self.server.serve())
        await until(lambda: self.server.started)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        ready.set()
        await serving

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """The answer to a question put in the server's loop."""

        async def put() -> T:
            return await question()

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(put(), self.loop))

    async def tasks(self) -> int:
        """How many tasks the server runs besides its own and this question."""

        async def count() -> int:
            return len(asyncio.all_tasks()) - 3

        return await self.ask(count)

    async def revoke(self, code: int) -> None:
        async def put() -> None:
            self.visitors[-1].code.set_result(code)

        await self.ask(put)

    def dial(self, **options: Any) -> connect:
        """A websocket client that hasn't introduced itself."""
        options = {"subprotocols": [Subprotocol("graphql-transport-ws")], "ping_interval": None, **options}
        return connect(f"ws://127.0.0.1:{self.port}/graphql", **options)

    async def guest(self, **options: Any) -> ClientConnection:
        """A websocket client that was acknowledged; the caller closes it."""
        client = await self.dial(**options)
        await say(client, type="connection_init")
        assert await hear(client) == {"type": "connection_ack"}
        return client


@contextmanager
def house(limits: SocketLimits = DEFAULTS, origins: frozenset[str] = frozenset()) -> Iterator[House]:
    """A running server; leaving stops it and fails when it doesn't stop."""
    loop = uvloop.new_event_loop()
    it = House(loop, limits, origins)
    ready = threading.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(it.run(ready),), daemon=True)
    thread.start()
    try:
        assert ready.wait(10)
        yield it
    finally:
        it.server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()
        loop.close()


async def say(client: ClientConnection, **message: Any) -> None:
    await client.send(orjson.dumps(message).decode())


async def subscribe(client: ClientConnection, key: str, query: str, **payload: Any) -> None:
    await say(client, id=key, type="subscribe", payload={"query": query, **payload})


async def hear(client: ClientConnection) -> Any:
    async with asyncio.timeout(5):
        return orjson.loads(await client.recv())


async def closed(client: ClientConnection) -> tuple[int | None, str | None]:
    """Code and reason with which the socket ended; what is heard before is thrown away."""
    with suppress(ConnectionClosed):
        async with asyncio.timeout(5):
            while True:
                await client.recv()
    return client.close_code, client.close_reason


async def until(condition: Callable[[], Awaitable[bool] | bool], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while True:
            met = condition()
            if met if isinstance(met, bool) else await met:
                return
            await asyncio.sleep(0.01)
