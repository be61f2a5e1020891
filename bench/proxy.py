"""A TCP proxy in front of a server that can stop forwarding or become slow, as a network does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit

CHUNK = 65_536
# Options of a database's URL: an outage is noticed within these seconds.
SHORT_TIMEOUTS = {
    "connect_timeout": 2,
    "chat_timeout": 2,
    "interactive_timeout": 2,
    "report_timeout": 2,
    "job_timeout": 2,
    "lock_timeout": 1,
    "idle_in_transaction_timeout": 1,
}


class Proxy:
    """Forwards connections to `target`: the path of a Unix socket, or a port of this machine.

    `latency` is for how many seconds each piece of data is held up, in either direction. The
    pieces of a connection stay in order.
    """

    def __init__(self, target: str | int) -> None:
        self._target = target
        self.latency = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._dropping = False
        self.dropped = 0  # chunks of data, in both directions
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Proxy"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.reset()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def drop(self) -> None:
        """Forward nothing more: connections stay open without a response, and the data is lost."""
        self._dropping = True

    def forward(self) -> None:
        """Forward again, on new connections: the others have lost data."""
        self._dropping = False

    def reset(self) -> None:
        """Close every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await self._connect()
        except OSError:  # the server isn't running
            writer.transport.abort()
            return
        for source, sink in ((reader, up_writer), (up_reader, writer)):
            self._writers.add(sink)
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, str):
            return await asyncio.open_unix_connection(self._target)
        return await asyncio.open_connection("127.0.0.1", self._target)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broken = self._dropping
        try:
            with suppress(OSError):
                while data := await reader.read(CHUNK):
                    broken = broken or self._dropping
                    if broken:
                        self.dropped += 1
                        continue
                    if self.latency:
                        await asyncio.sleep(self.latency)
                    writer.write(data)
                    await writer.drain()
            while broken and self._dropping:  # noqa: ASYNC110 - the end of the connection is lost, too
                await asyncio.sleep(0.01)
        finally:
            self._writers.discard(writer)
            writer.close()


def socket_path(database_url: str) -> str:
    """The Unix socket of a test database's server."""
    folder = parse_qs(urlsplit(database_url).query)["host"][0]
    return f"{folder}/.s.PGSQL.5432"


def url_through_proxy(proxy: Proxy, database_url: str, **options: float) -> str:
    """The URL of a test database through the proxy, with options of ours."""
    params = "&".join(f"{name}={value}" for name, value in options.items())
    name = urlsplit(database_url).path
    return f"postgres://postgres:@127.0.0.1:{proxy.port}{name}?{params}"
