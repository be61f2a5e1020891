"""The load client: as light as it can be in Python and still honest.

A connection sends its next request the moment an answer came, keep-alive, without pipelining. Requests are whole byte strings.
Of an answer it reads the status and the length, and looks for errors in the body; it parses nothing. On uvloop it takes some
20 microseconds a request, which run on another core than the server; every round tells how busy the client was.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

import orjson

from bench.servers import Failed, Server

PATIENCE = 60.0


def request(server: Server, body: bytes) -> bytes:
    """The bytes of one POST."""
    return head(server) + f"{len(body)}\r\n\r\n".encode() + body


def head(server: Server) -> bytes:
    """All of a request up to its length."""
    signed_in = f"Authorization: Bearer {server.token}\r\n" if server.token else ""
    return (
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUser-Agent: bench\r\nAccept: application/json\r\n"
        f"{signed_in}Content-Type: application/json\r\nContent-Length: "
    ).encode()


class Wire(asyncio.Protocol):
    """One HTTP connection; `answered` is called with each whole response's head and body."""

    def __init__(self) -> None:
        self._got = bytearray()
        self._size = self._body = 0
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._got += data
        if not self._size and (end := self._got.find(b"\r\n\r\n")) >= 0:
            self._body = end + 4
            self._size = self._body + _length(bytes(self._got[:end]))
        if self._size and len(self._got) >= self._size:
            head, body = bytes(self._got[: self._body]), bytes(self._got[self._body : self._size])
            del self._got[: self._size]
            self._size = 0
            self.answered(head, body)

    def answered(self, head: bytes, body: bytes) -> None:
        raise NotImplementedError  # each kind of client has its own


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    if not found:
        raise Failed(f"an answer without Content-Length: {head[:200]!r}")
    return int(rest.split(b"\r\n", 1)[0])


def fault(head: bytes, body: bytes) -> str | None:
    """What is wrong with an answer: another status than 200, GraphQL errors, or a refused mutation."""
    good = head.startswith(b"HTTP/1.1 200 ") and b'"errors"' not in body and b'"code"' not in body
    return None if good else f"{head.split(b' ', 2)[1].decode()} {body[:300]!r}"


@dataclass
class Round:
    """What one round of load gave: latencies in seconds, the first fault, and how long it took."""

    latencies: list[float] = field(default_factory=list)
    fault: str | None = None
    seconds: float = 0.0
    client_cpu: float = 0.0  # seconds of the client's own processor time

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.seconds

    def percentile(self, nth: int) -> float:
        """A latency in milliseconds."""
        return percentile(self.latencies, nth)


def percentile(latencies: list[float], nth: int) -> float:
    """The nth percentile of latencies in seconds, in milliseconds."""
    return 1_000 * (quantiles(latencies, n=100)[nth - 1] if len(latencies) > 1 else latencies[0])


class Caller(Wire):
    """One connection of a round."""

    def __init__(self, round_: Round, head: bytes, bodies: Iterator[bytes], until: float, done: Callable[[], None]) -> None:
        super().__init__()
        self._round, self._head, self._bodies, self._until, self._done = round_, head, bodies, until, done
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._call()

    def _call(self) -> None:
        body = next(self._bodies)
        self._sent = time.perf_counter()
        self.transport.write(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))

    def answered(self, head: bytes, body: bytes) -> None:
        now = time.perf_counter()
        self._round.latencies.append(now - self._sent)
        if wrong := fault(head, body):
            self._round.fault = self._round.fault or wrong
        if now < self._until and not self._round.fault:
            self._call()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if time.perf_counter() < self._until:
            self._round.fault = self._round.fault or f"the connection was lost: {error}"
        self._done()


async def load(server: Server, bodies: Iterator[bytes], seconds: float, connections: int = 16) -> Round:
    """One round: all connections ask as fast as they are answered. Raises Failed at the first wrong answer."""
    round_, loop = Round(), asyncio.get_running_loop()
    left, finished = connections, asyncio.Event()

    def done() -> None:
        nonlocal left
        left -= 1
        if not left:
            finished.set()

    cpu, start = time.process_time(), time.perf_counter()
    first = head(server)
    for _ in range(connections):
        await loop.create_connection(lambda: Caller(round_, first, bodies, start + seconds, done), "127.0.0.1", server.port)
    try:
        await asyncio.wait_for(finished.wait(), seconds + PATIENCE)
    except TimeoutError:
        round_.fault = round_.fault or "no answer for a minute"
    round_.seconds, round_.client_cpu = time.perf_counter() - start, time.process_time() - cpu
    if round_.fault:
        raise Failed(f"{server.name}: {round_.fault}")
    return round_


class Asker(Wire):
    """One connection for single questions, one at a time."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server
        self._waiting: asyncio.Future[bytes] | None = None

    @classmethod
    @asynccontextmanager
    async def to(cls, server: Server) -> AsyncIterator["Asker"]:
        """Connected to that server."""
        loop = asyncio.get_running_loop()
        transport, asker = await loop.create_connection(lambda: cls(server), "127.0.0.1", server.port)
        try:
            yield asker
        finally:
            transport.close()

    async def ask(self, body: bytes) -> Any:
        """The `data` of the answer. Raises Failed for errors."""
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request(self._server, body))
        return orjson.loads(await self._waiting)["data"]

    def answered(self, head: bytes, body: bytes) -> None:
        assert self._waiting is not None  # noqa: S101 - nothing else makes the server speak
        if wrong := fault(head, body):
            self._waiting.set_exception(Failed(f"{self._server.name}: {wrong}"))
        else:
            self._waiting.set_result(body)

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(Failed(f"{self._server.name}: the connection was lost"))
