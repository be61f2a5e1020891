"""The load client, as light as it can be in Python without losing accuracy.

A connection sends its next request when the response to the last one has arrived: keep-alive,
without pipelining. Requests are complete byte strings. The client reads the status and the length
of a response and searches the body for errors; it doesn't parse it. On uvloop that takes about 20
microseconds per request, on another core than the server's. Each round reports how busy the client
was.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

import orjson

from bench.servers import BenchmarkError, Server

TIMEOUT = 60.0


def request(server: Server, body: bytes) -> bytes:
    """The bytes of one POST request."""
    return request_head(server) + f"{len(body)}\r\n\r\n".encode() + body


def request_head(server: Server) -> bytes:
    """The part of a request before its length."""
    authorization = f"Authorization: Bearer {server.token}\r\n" if server.token else ""
    return (
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUser-Agent: bench\r\nAccept: "
        f"application/json\r\n"
        f"{authorization}Content-Type: application/json\r\nContent-Length: "
    ).encode()


class HTTPConnection(asyncio.Protocol):
    """One HTTP connection. `response_received` is called with the head and the body of each
    complete response.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._size = self._body_start = 0
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._size and (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            self._body_start = end + 4
            self._size = self._body_start + _content_length(bytes(self._buffer[:end]))
        if self._size and len(self._buffer) >= self._size:
            head = bytes(self._buffer[: self._body_start])
            body = bytes(self._buffer[self._body_start : self._size])
            del self._buffer[: self._size]
            self._size = 0
            self.response_received(head, body)

    def response_received(self, head: bytes, body: bytes) -> None:
        raise NotImplementedError  # each kind of client has its own


def _content_length(head: bytes) -> int:
    _, separator, rest = head.lower().partition(b"\r\ncontent-length:")
    if not separator:
        raise BenchmarkError(f"a response without Content-Length: {head[:200]!r}")
    return int(rest.split(b"\r\n", 1)[0])


def response_error(head: bytes, body: bytes) -> str | None:
    """The error in a response: a status other than 200, GraphQL errors, or user errors. None when
    there is none.
    """
    is_ok = head.startswith(b"HTTP/1.1 200 ") and b'"errors"' not in body and b'"code"' not in body
    return None if is_ok else f"{head.split(b' ', 2)[1].decode()} {body[:300]!r}"


@dataclass
class LoadRound:
    """The result of one round: latencies in seconds, the first error, and the duration."""

    latencies: list[float] = field(default_factory=list)
    error: str | None = None
    seconds: float = 0.0
    client_cpu: float = 0.0  # seconds of the client's own processor time

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.seconds


def percentile(latencies: list[float], nth: int) -> float:
    """The nth percentile of latencies in seconds, in milliseconds."""
    return 1_000 * (quantiles(latencies, n=100)[nth - 1] if len(latencies) > 1 else latencies[0])


class LoadConnection(HTTPConnection):
    """One connection of a round."""

    def __init__(
        self,
        round_: LoadRound,
        head: bytes,
        bodies: Iterator[bytes],
        until: float,
        on_done: Callable[[], None],
    ) -> None:
        super().__init__()
        self._round = round_
        self._head = head
        self._bodies = bodies
        self._until = until
        self._done = on_done
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._send_request()

    def _send_request(self) -> None:
        body = next(self._bodies)
        self._sent_at = time.perf_counter()
        self.transport.write(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))

    def response_received(self, head: bytes, body: bytes) -> None:
        now = time.perf_counter()
        self._round.latencies.append(now - self._sent_at)
        if error := response_error(head, body):
            self._round.error = self._round.error or error
        if now < self._until and not self._round.error:
            self._send_request()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if time.perf_counter() < self._until:
            self._round.error = self._round.error or f"the connection was lost: {error}"
        self._done()


async def load(
    server: Server, bodies: Iterator[bytes], seconds: float, connections: int = 16
) -> LoadRound:
    """One round: each connection sends requests one after another. Raises BenchmarkError at the
    first wrong response.
    """
    round_, loop = LoadRound(), asyncio.get_running_loop()
    remaining, finished = connections, asyncio.Event()

    def on_done() -> None:
        nonlocal remaining
        remaining -= 1
        if not remaining:
            finished.set()

    cpu, start = time.process_time(), time.perf_counter()
    head = request_head(server)
    for _ in range(connections):
        await loop.create_connection(
            lambda: LoadConnection(round_, head, bodies, start + seconds, on_done),
            "127.0.0.1",
            server.port,
        )
    try:
        await asyncio.wait_for(finished.wait(), seconds + TIMEOUT)
    except TimeoutError:
        round_.error = round_.error or "no response for a minute"
    round_.seconds, round_.client_cpu = time.perf_counter() - start, time.process_time() - cpu
    if round_.error:
        raise BenchmarkError(f"{server.name}: {round_.error}")
    return round_


class Client(HTTPConnection):
    """One connection for single requests, one at a time."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server
        self._response: asyncio.Future[bytes] | None = None

    @classmethod
    @asynccontextmanager
    async def connect(cls, server: Server) -> AsyncIterator["Client"]:
        """A client with a connection to this server."""
        loop = asyncio.get_running_loop()
        transport, client = await loop.create_connection(
            lambda: cls(server), "127.0.0.1", server.port
        )
        try:
            yield client
        finally:
            transport.close()

    async def execute(self, body: bytes) -> Any:
        """The `data` of the response. Raises BenchmarkError for errors."""
        self._response = asyncio.get_running_loop().create_future()
        self.transport.write(request(self._server, body))
        return orjson.loads(await self._response)["data"]

    def response_received(self, head: bytes, body: bytes) -> None:
        assert self._response is not None  # noqa: S101 - the server sends nothing without a request
        if error := response_error(head, body):
            self._response.set_exception(BenchmarkError(f"{self._server.name}: {error}"))
        else:
            self._response.set_result(body)

    def connection_lost(self, error: Exception | None) -> None:
        if self._response and not self._response.done():
            self._response.set_exception(
                BenchmarkError(f"{self._server.name}: the connection was lost")
            )
