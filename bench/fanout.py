"""Fan-out: many subscribers to one chat, each on a websocket of its own, and every one must get every message, in order.

The receiving client reads frames from the raw bytes: a server's frames are not masked, so a frame's length is all there is to
know, and an event's `sequence` is found by a search. That takes a few microseconds a frame on uvloop. Every event of every
subscriber is checked; none is parsed.
"""

import asyncio
import os
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from bench.load import Asker
from bench.operations import OPERATIONS, F, reply
from bench.processes import cpu
from bench.servers import Failed, Server
from resolvers.ids import encode

IN_FLIGHT = 4
AT_ONCE = 50  # handshakes
PATIENCE = 60.0


@dataclass(frozen=True)
class Delivered:
    """What one round of fan-out gave."""

    deliveries: int
    seconds: float
    server_cpu: float
    client_cpu: float


class Room:
    """The subscribers of one server, and how much they received together."""

    def __init__(self, server: Server, headers: Sequence[str] = ()) -> None:
        self.server, self.headers = server, headers
        self.subscribers: list[Subscriber] = []
        self.received = 0
        self.fault: str | None = None
        self._marks: list[tuple[int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def joined(self, tickets: Sequence[int]) -> AsyncIterator["Room"]:
        """One subscriber more for each of these tickets, acknowledged and subscribed as far as a client can know."""
        first = len(self.subscribers)
        try:
            for start in range(0, len(tickets), AT_ONCE):
                await asyncio.gather(*(self._join(ticket) for ticket in tickets[start : start + AT_ONCE]))
            yield self
        finally:
            for subscriber in self.subscribers[first:]:
                subscriber.leave()
            del self.subscribers[first:]

    async def _join(self, ticket: int) -> None:
        subscriber = Subscriber(self, ticket, str(UUID(int=len(self.subscribers) + 2**100)))
        self.subscribers.append(subscriber)
        await asyncio.get_running_loop().create_connection(lambda: subscriber, "127.0.0.1", self.server.port)
        await asyncio.wait_for(subscriber.subscribed, PATIENCE)

    def took(self) -> None:
        """One event reached one subscriber."""
        self.received += 1
        while self._marks and self.received >= self._marks[0][0]:
            self._marks.pop(0)[1].set_result(None)

    def fail(self, fault: str) -> None:
        self.fault = self.fault or fault
        for _, reached in self._marks:
            reached.set_exception(Failed(f"{self.server.name}: {fault}"))
        self._marks.clear()

    async def reached(self, count: int) -> None:
        """Wait until so many events were received by all together. Raises Failed for a fault or after a minute."""
        if self.fault:
            raise Failed(f"{self.server.name}: {self.fault}")
        if self.received < count:
            mark = asyncio.get_running_loop().create_future()
            self._marks = sorted([*self._marks, (count, mark)], key=lambda each: each[0])
            try:
                await asyncio.wait_for(mark, PATIENCE)
            except TimeoutError:
                raise Failed(f"{self.server.name}: {self.received} of {count} events arrived") from None


class Subscriber(asyncio.Protocol):
    """One websocket with one subscription."""

    def __init__(self, room: Room, ticket: int, key: str) -> None:
        self.room, self.ticket, self.key = room, ticket, key
        self.last = 0  # the sequence last received
        self.subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._rest = b""
        self._open = self._leaving = False
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        lines = [
            "GET /graphql HTTP/1.1", f"Host: 127.0.0.1:{self.room.server.port}", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: graphql-transport-ws", *self.room.headers, "", "",
        ]  # fmt: skip
        self._transport.write("\r\n".join(lines).encode())

    def leave(self) -> None:
        self._leaving = True
        if self._transport:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._leaving:
            self._fail(f"a socket was lost: {error}")

    def _fail(self, fault: str) -> None:
        if not self.subscribed.done():
            self.subscribed.set_exception(Failed(f"{self.room.server.name}: {fault}"))
        self.room.fail(fault)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        at = 0 if self._open else self._handshake(data)
        while len(data) - at > 1:
            size, start = data[at + 1], at + 2
            if size == 126:
                size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            if start + size > len(data):
                break
            self._frame(data[at], data[start : start + size])
            at = start + size
        self._rest = data[at:]

    def _handshake(self, data: bytes) -> int:
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            return 0
        if not data.startswith(b"HTTP/1.1 101 "):
            self._fail(f"no websocket: {data[:200]!r}")
            return len(data)
        self._open = True
        token = self.room.server.token
        self._say({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"} if token else {}})
        return end

    def _frame(self, kind: int, payload: bytes) -> None:
        at = payload.find(b'"sequence":')
        if at >= 0:
            self._event(int(payload[at + 11 : payload.index(b",", at)]))
        elif kind == 0x81:
            self._control(payload)
        elif kind == 0x89:
            self._send(0x8A, payload)
        elif not self._leaving:
            self._fail(f"frame {kind:#x} {payload[:200]!r}")

    def _event(self, sequence: int) -> None:
        if self.last and sequence != self.last + 1:
            self._fail(f"event {sequence} came after {self.last}")
        self.last = sequence
        self.room.took()

    def _control(self, payload: bytes) -> None:
        match orjson.loads(payload)["type"]:
            case "connection_ack":
                asked = {"query": F, "operationName": "F", "variables": {"ticketId": encode("Ticket", self.ticket)}}
                self._say({"id": self.key, "type": "subscribe", "payload": asked})
                self.subscribed.set_result(None)
            case "ping":
                self._say({"type": "pong"})
            case _:
                self._fail(f"unexpected: {payload[:300].decode()}")

    def _say(self, message: dict[str, Any]) -> None:
        self._send(0x81, orjson.dumps(message))

    def _send(self, kind: int, payload: bytes) -> None:
        """A client's frame, masked with zeros, which changes nothing."""
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        self._transport.write(bytes([kind]) + length + bytes(4) + payload)


async def fan_out(server: Server, ticket: int, subscribers: int, seconds: float, label: str) -> Delivered:
    """One round: messages are posted so that some are always on their way, and the round ends when all arrived everywhere."""
    async with Room(server).joined([ticket] * subscribers) as room, Asker.to(server) as asker:
        await _all_hear(room, asker, label)
        client, used, start = time.process_time(), cpu(server.pid), time.perf_counter()
        before = room.received
        await _post(room, asker, label, start + seconds)
        took = time.perf_counter() - start
        if len({subscriber.last for subscriber in room.subscribers}) != 1:
            raise Failed(f"{server.name}: not every subscriber got every message")
        return Delivered(room.received - before, took, cpu(server.pid) - used, time.process_time() - client)


async def _all_hear(room: Room, asker: Asker, label: str) -> None:
    """Post until one message has reached everybody: only then has every subscription begun for certain."""
    for patience in (1, 2, 4, 8, 16, 32):
        sequence = await _said(asker, room, f"{label}-hear-{patience}")
        until = time.perf_counter() + patience
        while time.perf_counter() < until and not room.fault:
            if all(subscriber.last == sequence for subscriber in room.subscribers):
                return
            await asyncio.sleep(0.02)
    raise Failed(f"{room.server.name}: {room.fault or 'not every subscriber hears'}")


async def _post(room: Room, asker: Asker, label: str, until: float) -> None:
    """Post one message after the other, with some always on their way to keep the server busy, until all arrived."""
    everybody, base, number = len(room.subscribers), room.received, 0
    while time.perf_counter() < until:
        await _said(asker, room, f"{label}-{number}")
        number += 1
        await room.reached(base + everybody * (number - IN_FLIGHT + 1))
    await room.reached(base + everybody * number)


async def _said(asker: Asker, room: Room, key: str) -> int:
    """Post one message to the room's chat. Returns its sequence."""
    answer = await asker.ask(OPERATIONS["M1"].body(reply(room.subscribers[0].ticket, key)))
    return int(answer["ticketReply"]["message"]["sequence"])
