"""The load client counts every answer once, and notices a wrong one."""

import asyncio
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from itertools import repeat

import pytest

from bench.fanout import Room
from bench.load import Asker, load
from bench.servers import Failed
from tests.bench.toys import head, served

GOOD = b'{"data":{"ticketReply":{"userErrors":[]}}}'


class Toy:
    """A server that counts what it is asked, and says always the same."""

    def __init__(self, answer: bytes = GOOD, status: bytes = b"200 OK") -> None:
        self.text = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
            status,
            len(answer),
            answer,
        )
        self.asked = 0
        self.bodies: set[bytes] = set()

    async def serve(self, reader: Reader, writer: Writer) -> None:
        while asked := await head(reader):
            size = int(asked.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            self.bodies.add(await reader.readexactly(size))
            self.asked += 1
            half = len(self.text) // 2
            writer.write(self.text[:half])
            await asyncio.sleep(0)  # answers arrive in pieces
            writer.write(self.text[half:])


async def test_every_answer_is_counted_once() -> None:
    toy = Toy()
    async with served(toy.serve) as server:
        given = await load(server, repeat(b"{}"), 0.2, connections=4)
    assert len(given.latencies) == toy.asked > 4
    assert given.rate == pytest.approx(toy.asked / given.seconds)
    assert toy.bodies == {b"{}"}


@pytest.mark.parametrize(
    "toy",
    [
        Toy(status=b"500 Oops"),
        Toy(b'{"data":null,"errors":[{"message":"no"}]}'),
        Toy(b'{"data":{"ticketReply":{"userErrors":[{"code":"BLANK"}]}}}'),
    ],
)
async def test_a_wrong_answer_ends_the_round(toy: Toy) -> None:
    async with served(toy.serve) as server:
        with pytest.raises(Failed, match=r"^toy: "):
            await load(server, repeat(b"{}"), 30)


async def test_a_lost_connection_ends_the_round() -> None:
    async def leave(reader: Reader, writer: Writer) -> None:
        await head(reader)

    async with served(leave) as server:
        with pytest.raises(Failed, match="lost"):
            await load(server, repeat(b"{}"), 1)


async def test_only_our_own_server_is_shown_the_token() -> None:
    heads: list[bytes] = []

    async def listen(reader: Reader, writer: Writer) -> None:
        heads.append(await head(reader))
        writer.write(Toy().text)

    for name in ("camcha", "mercurius"):
        async with served(listen, name) as server, Asker.to(server) as asker:
            await asker.ask(b"{}")
    assert [b"Authorization: Bearer " in head for head in heads] == [True, False]


def frame(text: bytes) -> bytes:
    return (b"\x81%c" % len(text) if len(text) < 126 else b"\x81\x7e" + len(text).to_bytes(2, "big")) + text


def event(sequence: int) -> bytes:
    return frame(
        b'{"id":"x","type":"next","payload":{"data":{"ticketEvents":{"sequence":%d,"kind":"%b"}}}}' % (sequence, b"K" * 90)
    )


async def heard(*sequences: int) -> Room:
    """A subscriber's room after these events came, cut where they needn't be."""
    texts = b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + frame(b'{"type":"connection_ack"}') + b"".join(map(event, sequences))

    async def tell(reader: Reader, writer: Writer) -> None:
        await head(reader)
        for start in range(0, len(texts), 50):
            writer.write(texts[start : start + 50])
            await writer.drain()
            await asyncio.sleep(0.001)
        await reader.read()

    async with served(tell) as server, Room(server).joined([1]) as room:
        await room.reached(len(sequences))
        return room


async def test_every_event_of_a_subscriber_is_counted() -> None:
    assert (await heard(7, 8, 9)).received == 3


@pytest.mark.parametrize("sequences", [(7, 9), (7, 7), (8, 7)])
async def test_an_event_that_is_missing_or_comes_twice_is_noticed(sequences: tuple[int, ...]) -> None:
    with pytest.raises(Failed, match="came after"):
        await heard(*sequences, 10)
