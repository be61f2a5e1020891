"""Websocket frames without a message, and clients that send more than they read, are limited.
Messages that are sent together all arrive, in order.
"""

import asyncio
import os
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import orjson
import pytest
from websockets.frames import Frame, Opcode

from realtime.client import SocketLimits
from tests.realtime.http_fixtures import read_all
from tests.realtime.socket_fixtures import Server, running_server, wait_until
from tests.waiting import MAX_WAIT

LIMITS = SocketLimits(
    messages_per_minute=1_000_000, ping_interval=10 * MAX_WAIT, send_timeout=10 * MAX_WAIT
)
HANDSHAKE = (
    "GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
).encode()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server(LIMITS) as running:
        yield running


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=True)


def message(**content: object) -> bytes:
    return frame(Opcode.TEXT, orjson.dumps(content))


@asynccontextmanager
async def connect(
    server: Server,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A websocket that has been acknowledged, as bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(message(type="connection_init"))
        await reader.readuntil(b'{"type":"connection_ack"}')
        yield reader, writer
    finally:
        writer.transport.abort()


async def close_code(reader: asyncio.StreamReader) -> int:
    """The code of the last frame, with which the server closes the connection."""
    *_, last = (await read_all(reader)).split(b"\x88")
    return int.from_bytes(last[1:3], "big")


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (frame(Opcode.PING) * 100_000, 1008),
        (frame(Opcode.PONG, b"x" * 100) * 100_000, 1008),
        (frame(Opcode.TEXT, fin=False) + frame(Opcode.CONT, fin=False) * 100_000, 1009),
        (b"".join([frame(Opcode.TEXT, fin=False), frame(Opcode.CONT)]) * 10_000, 4400),
    ],
    ids=["pings", "pongs", "fragments of one message", "empty messages in fragments"],
)
async def test_too_many_frames_without_a_message_close_the_connection(
    server: Server, frames: bytes, code: int
) -> None:
    async with connect(server) as (reader, writer):
        writer.write(frames)
        assert await close_code(reader) == code


async def test_pings_of_a_client_that_does_not_read_are_not_answered(server: Server) -> None:
    async with connect(server) as (_reader, writer):
        subscription = {"query": "subscription { flood(kilobytes: 60) }"}
        writer.write(message(id="1", type="subscribe", payload=subscription))
        await wait_until(lambda: bool(server.endpoint._connections))
        (connection,) = server.endpoint._connections
        protocol = connection._uvicorn
        assert protocol is not None
        await wait_until(lambda: not protocol.writable.is_set())
        buffer_size = protocol.transport.get_write_buffer_size()
        before = protocol._control_frames
        writer.write(frame(Opcode.PING, b"x" * 125) * 300)
        await wait_until(lambda: protocol._control_frames <= before - 200)
        assert protocol.transport.get_write_buffer_size() <= buffer_size


async def test_messages_that_arrive_together_are_all_answered_in_order(server: Server) -> None:
    pings = [message(type="ping", payload={"n": n, "x": "y" * 300}) for n in range(1_000)]
    async with connect(server) as (reader, writer):
        writer.write(b"".join(pings))
        for n in range(1_000):
            async with asyncio.timeout(MAX_WAIT):
                await reader.readuntil(b'{"type":"pong","payload":{"n":%d,' % n)


async def test_a_message_may_come_in_fragments(server: Server) -> None:
    text = orjson.dumps({"type": "ping", "payload": {"x": "y" * 50_000}})
    parts = [text[start : start + 1_000] for start in range(0, len(text), 1_000)]
    frames = [
        frame(Opcode.CONT if n else Opcode.TEXT, part, fin=n == len(parts) - 1)
        for n, part in enumerate(parts)
    ]
    async with connect(server) as (reader, writer):
        writer.write(b"".join(frames))
        async with asyncio.timeout(MAX_WAIT):
            assert await reader.readexactly(4 + len(text) - 1)


async def test_nothing_may_be_sent_before_the_handshake_is_answered(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    # In a packet of its own, or together with the request, where it is not a part of it.
    writer.write(HANDSHAKE + message(type="connection_init"))
    response = await reader.readuntil(b"\r\n\r\n")
    assert response.startswith(b"HTTP/1.1 101 ")
    writer.write(message(type="connection_init"))
    assert b"connection_ack" in await reader.readuntil(b"}")
    writer.transport.abort()


async def test_bytes_after_the_close_frame_are_bounded(server: Server) -> None:
    async with connect(server) as (_reader, writer):
        writer.write(message(type="unknown"))  # closes with 4400
        writer.write(frame(Opcode.TEXT, b"x" * 60_000) * 1_000)
        await wait_until(lambda: not server.endpoint._connections)
