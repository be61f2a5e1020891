"""The load client counts every response once, and detects a wrong one."""

import asyncio
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from itertools import repeat

import pytest

from bench.fan_out import SubscriberGroup
from bench.load import Client, load
from bench.servers import BenchmarkError
from tests.bench.fake_servers import read_head, running_fake_server

SUCCESS_BODY = b'{"data":{"ticketReply":{"userErrors":[]}}}'


class FakeServer:
    """A server that counts requests, and always responds the same."""

    def __init__(self, body: bytes = SUCCESS_BODY, status: bytes = b"200 OK") -> None:
        self.response = (
            b"HTTP/1.1 %b\r\nContent-Type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (
                status,
                len(body),
                body,
            )
        )
        self.requests = 0
        self.bodies: set[bytes] = set()

    async def handle(self, reader: Reader, writer: Writer) -> None:
        while head := await read_head(reader):
            size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            self.bodies.add(await reader.readexactly(size))
            self.requests += 1
            split_index = len(self.response) // 2
            writer.write(self.response[:split_index])
            await asyncio.sleep(0)  # responses arrive in pieces
            writer.write(self.response[split_index:])


async def test_every_response_is_counted_once() -> None:
    fake_server = FakeServer()
    async with running_fake_server(fake_server.handle) as server:
        result = await load(server, repeat(b"{}"), 0.2, connections=4)
    assert len(result.latencies) == fake_server.requests > 4
    assert result.rate == pytest.approx(fake_server.requests / result.seconds)
    assert fake_server.bodies == {b"{}"}


@pytest.mark.parametrize(
    "fake_server",
    [
        FakeServer(status=b"500 Oops"),
        FakeServer(b'{"data":null,"errors":[{"message":"no"}]}'),
        FakeServer(b'{"data":{"ticketReply":{"userErrors":[{"code":"BLANK"}]}}}'),
    ],
)
async def test_a_wrong_response_ends_the_round(fake_server: FakeServer) -> None:
    async with running_fake_server(fake_server.handle) as server:
        with pytest.raises(BenchmarkError, match=r"^fake: "):
            await load(server, repeat(b"{}"), 30)


async def test_a_lost_connection_ends_the_round() -> None:
    async def disconnect(reader: Reader, writer: Writer) -> None:
        await read_head(reader)

    async with running_fake_server(disconnect) as server:
        with pytest.raises(BenchmarkError, match="lost"):
            await load(server, repeat(b"{}"), 1)


async def test_only_our_own_server_gets_the_token() -> None:
    request_heads: list[bytes] = []

    async def handle(reader: Reader, writer: Writer) -> None:
        request_heads.append(await read_head(reader))
        writer.write(FakeServer().response)

    for name in ("camcha", "mercurius"):
        async with (
            running_fake_server(handle, name) as server,
            Client.connect(server) as client,
        ):
            await client.execute(b"{}")
    assert [b"Authorization: Bearer " in head for head in request_heads] == [True, False]


def frame(text: bytes) -> bytes:
    return (
        b"\x81%c" % len(text) if len(text) < 126 else b"\x81\x7e" + len(text).to_bytes(2, "big")
    ) + text


def event(sequence: int) -> bytes:
    return frame(
        b'{"id":"x","type":"next","payload":{"data":{"ticketEvents":{"sequence":%d,"kind":"%b"}}}}'
        % (sequence, b"K" * 90)
    )


async def receive(*sequences: int) -> SubscriberGroup:
    """A group with one subscriber that received these events, in pieces that don't match the
    frames.
    """
    data = (
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
        + frame(b'{"type":"connection_ack"}')
        + b"".join(map(event, sequences))
    )

    async def send_events(reader: Reader, writer: Writer) -> None:
        await read_head(reader)
        for start in range(0, len(data), 50):
            writer.write(data[start : start + 50])
            await writer.drain()
            await asyncio.sleep(0.001)
        await reader.read()

    async with (
        running_fake_server(send_events) as server,
        SubscriberGroup(server).subscribe([1]) as group,
    ):
        await group.wait_for_events(len(sequences))
        return group


async def test_every_event_of_a_subscriber_is_counted() -> None:
    assert (await receive(7, 8, 9)).received == 3


@pytest.mark.parametrize("sequences", [(7, 9), (7, 7), (8, 7)])
async def test_a_missing_or_repeated_event_is_detected(sequences: tuple[int, ...]) -> None:
    with pytest.raises(BenchmarkError, match="came after"):
        await receive(*sequences, 10)
