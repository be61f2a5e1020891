"""A bare application behind our uvicorn protocols, on uvloop in a thread of its own, and clients
that send bytes.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from realtime.connection_limits import ConnectionLimits, ConnectionRegistry
from realtime.uvicorn_protocol import uvicorn_options
from tests.waiting import MAX_WAIT

LONG_TIMEOUTS = ConnectionLimits(
    head_seconds=10 * MAX_WAIT,
    body_seconds=10 * MAX_WAIT,
    idle_seconds=10 * MAX_WAIT,
    unread_seconds=10 * MAX_WAIT,
    half_open_seconds=1e-9,
)


class HttpServer:
    """Answers each request with its path, the names of its headers and the size of its body. The
    path /big/... gets 64 KiB more, and /slow/... waits for `released`. Accepts websockets, and
    closes them when something was received.
    """

    def __init__(self, limits: ConnectionLimits, **options: Any) -> None:
        config = uvicorn.Config(
            self._application,
            port=0,
            interface="asgi3",
            lifespan="off",
            log_config=None,
            **uvicorn_options(limits),
            **options,
        )
        self.uvicorn = uvicorn.Server(config)
        self.registry: ConnectionRegistry = config.http.registry  # type: ignore[union-attr]
        self.port = 0
        self.started: list[str] = []
        self.disconnected: list[str] = []
        self.released = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def _application(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.started.append(scope["path"])
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await receive()
            await send({"type": "websocket.close"})
            return
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnected.append(scope["path"])
                return
            size, more = size + len(message.get("body", b"")), message.get("more_body", False)
        if scope["path"].startswith("/slow"):
            await self.released.wait()
        names = ",".join(name.decode() for name, _ in scope["headers"])
        body = f"<{scope['path']} {names} {size}>".encode()
        if scope["path"].startswith("/big"):
            body += b"." * 65_536
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["path"].startswith("/later"):
            await self.released.wait()
        await send({"type": "http.response.body", "body": body})

    def release(self) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self.released.set)

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Keep the server's loop busy: what the code inside sends arrives all at once."""
        assert self._loop is not None
        is_blocked, is_over = threading.Event(), threading.Event()

        def wait() -> None:
            is_blocked.set()
            is_over.wait(MAX_WAIT)

        self._loop.call_soon_threadsafe(wait)
        assert is_blocked.wait(MAX_WAIT)
        try:
            yield
        finally:
            is_over.set()

    async def run(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        serve_task = asyncio.create_task(self.uvicorn.serve())
        while not self.uvicorn.started:
            await asyncio.sleep(0.01)
        self.port = self.uvicorn.servers[0].sockets[0].getsockname()[1]
        ready.set()
        await serve_task

    @asynccontextmanager
    async def connect(
        self,
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def exchange(self, *parts: bytes) -> bytes:
        """Everything that the server answers to these bytes, sent one after the other, until it
        closes the connection.
        """
        async with self.connect() as (reader, writer):
            for part in parts:
                writer.write(part)
                await writer.drain()
            return await read_all(reader)


async def read_all(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(MAX_WAIT):
        return await reader.read()


@contextmanager
def http_server(limits: ConnectionLimits = LONG_TIMEOUTS, **options: Any) -> Iterator[HttpServer]:
    """A running server, which is stopped at the end."""
    loop = uvloop.new_event_loop()
    server, ready = HttpServer(limits, **options), threading.Event()
    thread = threading.Thread(
        target=loop.run_until_complete, args=(server.run(ready),), daemon=True
    )
    thread.start()
    try:
        assert ready.wait(MAX_WAIT)
        yield server
    finally:
        server.release()
        server.uvicorn.should_exit = True
        thread.join(MAX_WAIT)
        assert not thread.is_alive()
        loop.close()
