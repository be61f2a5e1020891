"""A TCP proxy in front of PostgreSQL that can stop forwarding, as a failed network does."""

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
    """Forwards connections to the Unix socket at `target`."""

    def __init__(self, target: str) -> None:
        self._target = target
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
        up_reader, up_writer = await asyncio.open_unix_connection(self._target)
        for source, sink in ((reader, up_writer), (up_reader, writer)):
            self._writers.add(sink)
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broken = self._dropping
        try:
            with suppress(OSError):
                while data := await reader.read(CHUNK):
                    broken = broken or self._dropping
                    if broken:
                        self.dropped += 1
                        continue
                    writer.write(data)
                    await writer.drain()
            while broken and self._dropping:  # the end of the connection gets lost, too
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
