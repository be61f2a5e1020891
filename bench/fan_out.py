"""Fan-out: many subscribers to one chat, each on a websocket of its own. Every one must get every
message, in order.

The receiving client reads frames from the raw bytes. A server's frames are not masked, so only
their length has to be decoded, and an event's `sequence` is found by a search. That takes a few
microseconds per frame on uvloop. The order of events is checked for every subscriber; no event is
parsed.
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

from bench.load import Client
from bench.operations import OPERATIONS, F, reply
from bench.processes import cpu_seconds
from bench.servers import BenchmarkError, Server
from resolvers.ids import encode

MESSAGES_IN_FLIGHT = 4
PARALLEL_HANDSHAKES = 50
TIMEOUT = 60.0
TEXT, PING, PONG = 0x81, 0x89, 0x8A  # first bytes of frames


@dataclass(frozen=True)
class FanOutRound:
    """The result of one round."""

    deliveries: int
    seconds: float
    server_cpu: float
    client_cpu: float


class SubscriberGroup:
    """The subscribers of one server, and the number of events that they have received together."""

    def __init__(self, server: Server, headers: Sequence[str] = ()) -> None:
        self.server, self.headers = server, headers
        self.subscribers: list[Subscriber] = []
        self.received = 0
        self.error: str | None = None
        self._waiting: list[
            tuple[int, asyncio.Future[None]]
        ] = []  # for a number of received events

    @asynccontextmanager
    async def subscribe(self, tickets: Sequence[int]) -> AsyncIterator["SubscriberGroup"]:
        """Connect a subscriber for each of these tickets, and send its subscription."""
        first_index = len(self.subscribers)
        try:
            for start in range(0, len(tickets), PARALLEL_HANDSHAKES):
                await asyncio.gather(
                    *(self._add(ticket) for ticket in tickets[start : start + PARALLEL_HANDSHAKES])
                )
            yield self
        finally:
            for subscriber in self.subscribers[first_index:]:
                subscriber.close()
            del self.subscribers[first_index:]

    async def _add(self, ticket: int) -> None:
        subscriber = Subscriber(self, ticket, str(UUID(int=len(self.subscribers) + 2**100)))
        self.subscribers.append(subscriber)
        await asyncio.get_running_loop().create_connection(
            lambda: subscriber, "127.0.0.1", self.server.port
        )
        await asyncio.wait_for(subscriber.subscribed, TIMEOUT)

    def event_received(self) -> None:
        """Count an event that reached one subscriber."""
        self.received += 1
        while self._waiting and self.received >= self._waiting[0][0]:
            self._waiting.pop(0)[1].set_result(None)

    def fail(self, error: str) -> None:
        """Let everything that waits for events raise this error."""
        self.error = self.error or error
        for _, waiter in self._waiting:
            waiter.set_exception(BenchmarkError(f"{self.server.name}: {error}"))
        self._waiting.clear()

    async def wait_for_events(self, count: int) -> None:
        """Wait until all together have received this many events. Raises BenchmarkError, at the
        latest after a minute.
        """
        if self.error:
            raise BenchmarkError(f"{self.server.name}: {self.error}")
        if self.received < count:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting = sorted([*self._waiting, (count, waiter)], key=lambda each: each[0])
            try:
                await asyncio.wait_for(waiter, TIMEOUT)
            except TimeoutError:
                raise BenchmarkError(
                    f"{self.server.name}: {self.received} of {count} events arrived"
                ) from None


class Subscriber(asyncio.Protocol):
    """One websocket with one subscription."""

    def __init__(self, group: SubscriberGroup, ticket: int, key: str) -> None:
        self.group, self.ticket, self.key = group, ticket, key
        self.last_sequence = 0
        self.subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._incomplete = b""
        self._open = self._closing = False
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        lines = [
            "GET /graphql HTTP/1.1",
            f"Host: 127.0.0.1:{self.group.server.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: graphql-transport-ws",
            *self.group.headers,
            "",
            "",
        ]
        self._transport.write("\r\n".join(lines).encode())

    def close(self) -> None:
        self._closing = True
        if self._transport:
            self._transport.close()

    def stop_reading(self) -> None:
        """Stop reading."""
        self._transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._closing:
            self._fail(f"a connection was lost: {error}")

    def _fail(self, error: str) -> None:
        if not self.subscribed.done():
            self.subscribed.set_exception(BenchmarkError(f"{self.group.server.name}: {error}"))
        self.group.fail(error)

    def data_received(self, data: bytes) -> None:
        data = self._incomplete + data if self._incomplete else data
        at = 0 if self._open else self._handshake(data)
        while len(data) - at > 1:
            size, start = data[at + 1], at + 2
            if size == 126:
                size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            if start + size > len(data):
                break
            self._frame_received(data[at], data[start : start + size])
            at = start + size
        self._incomplete = data[at:]

    def _handshake(self, data: bytes) -> int:
        """The number of bytes that belong to the handshake; 0 while it is incomplete."""
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            return 0
        if not data.startswith(b"HTTP/1.1 101 "):
            self._fail(f"no websocket: {data[:200]!r}")
            return len(data)
        self._open = True
        token = self.group.server.token
        self._send_message(
            {
                "type": "connection_init",
                "payload": {"authorization": f"Bearer {token}"} if token else {},
            }
        )
        return end

    def _frame_received(self, first_byte: int, payload: bytes) -> None:
        at = payload.find(b'"sequence":')
        if at >= 0:
            self._event_received(int(payload[at + 11 : payload.index(b",", at)]))
        elif first_byte == TEXT:
            self._message_received(payload)
        elif first_byte == PING:
            self._send_frame(PONG, payload)
        elif not self._closing:
            self._fail(f"frame {first_byte:#x} {payload[:200]!r}")

    def _event_received(self, sequence: int) -> None:
        if self.last_sequence and sequence != self.last_sequence + 1:
            self._fail(f"event {sequence} came after {self.last_sequence}")
        self.last_sequence = sequence
        self.group.event_received()

    def _message_received(self, payload: bytes) -> None:
        match orjson.loads(payload)["type"]:
            case "connection_ack":
                params = {
                    "query": F,
                    "operationName": "F",
                    "variables": {"ticketId": encode("Ticket", self.ticket)},
                }
                self._send_message({"id": self.key, "type": "subscribe", "payload": params})
                self.subscribed.set_result(None)
            case "ping":
                self._send_message({"type": "pong"})
            case _:
                self._fail(f"unexpected: {payload[:300].decode()}")

    def _send_message(self, message: dict[str, Any]) -> None:
        self._send_frame(TEXT, orjson.dumps(message))

    def _send_frame(self, first_byte: int, payload: bytes) -> None:
        """Send a frame, masked with zeros: clients have to mask, and this costs no time."""
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        self._transport.write(bytes([first_byte]) + length + bytes(4) + payload)


async def fan_out(
    server: Server, ticket: int, subscribers: int, seconds: float, label: str
) -> FanOutRound:
    """One round: some messages are always in flight, and the round ends when all have arrived at
    every subscriber.
    """
    async with (
        SubscriberGroup(server).subscribe([ticket] * subscribers) as group,
        Client.connect(server) as client,
    ):
        await _wait_until_all_receive(group, client, label)
        client_cpu = time.process_time()
        server_cpu = cpu_seconds(server.pid)
        start = time.perf_counter()
        before = group.received
        await _post_messages(group, client, label, start + seconds)
        duration = time.perf_counter() - start
        if len({subscriber.last_sequence for subscriber in group.subscribers}) != 1:
            raise BenchmarkError(f"{server.name}: not every subscriber got every message")
        return FanOutRound(
            group.received - before,
            duration,
            cpu_seconds(server.pid) - server_cpu,
            time.process_time() - client_cpu,
        )


async def _wait_until_all_receive(group: SubscriberGroup, client: Client, label: str) -> None:
    """Post until one message has reached everybody: only then has every subscription certainly
    started.
    """
    for timeout in (1, 2, 4, 8, 16, 32):
        sequence = await _post_message(client, group, f"{label}-start-{timeout}")
        until = time.perf_counter() + timeout
        while time.perf_counter() < until and not group.error:
            if all(subscriber.last_sequence == sequence for subscriber in group.subscribers):
                return
            await asyncio.sleep(0.02)
    raise BenchmarkError(
        f"{group.server.name}: {group.error or 'not every subscriber receives messages'}"
    )


async def _post_messages(group: SubscriberGroup, client: Client, label: str, until: float) -> None:
    """Post messages, with some always in flight to keep the server busy, and wait until all have
    arrived.
    """
    size, base, number = len(group.subscribers), group.received, 0
    while time.perf_counter() < until:
        await _post_message(client, group, f"{label}-{number}")
        number += 1
        await group.wait_for_events(base + size * (number - MESSAGES_IN_FLIGHT + 1))
    await group.wait_for_events(base + size * number)


async def _post_message(client: Client, group: SubscriberGroup, key: str) -> int:
    """Post one message to the group's chat. Returns its sequence."""
    data = await client.execute(OPERATIONS["M1"].body(reply(group.subscribers[0].ticket, key)))
    return int(data["ticketReply"]["message"]["sequence"])
