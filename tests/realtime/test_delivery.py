"""Shared delivery over real sockets: written past ASGI, in order with what is sent by it, and stopped with the session."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from models.action import Action
from realtime.stream import STEP
from realtime.uvicorn_protocol import Wire, framed
from tests.realtime.socket_fixtures import closed, hear, say, subscribe
from tests.realtime.stream_fixtures import Room, eventually

GREETING = "subscription { events { sequence greeting } }"
WORDY = "subscription($words: Boolean = true) { events { sequence name @include(if: $words) } }"


@pytest.fixture
def room(db: str, action: Action) -> Room:
    return Room(action)


@asynccontextmanager
async def guest(port: int, name: str, language: str = "fr", **options: Any) -> AsyncIterator[ClientConnection]:
    address = f"ws://127.0.0.1:{port}/graphql"
    async with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")], ping_interval=None, **options) as client:
        await say(client, type="connection_init", payload={"name": name, "language": language})
        assert await hear(client) == {"type": "connection_ack"}
        yield client


async def following(room: Room, client: ClientConnection, key: str = "1", query: str = GREETING) -> None:
    """Follow, and wait until it needs no task any more."""
    before = sum(len(each._ready) for each in room.channels._open.values())
    await subscribe(client, key, query)
    await eventually(lambda: sum(len(each._ready) for each in room.channels._open.values()) == before + 1)


async def sequence(client: ClientConnection) -> int:
    return int((await hear(client))["payload"]["data"]["events"]["sequence"])


async def test_one_event_reaches_every_socket_in_its_own_words(room: Room) -> None:
    async with room.served() as port, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(guest(port, f"g{n}", "en" if n % 2 else "fr")) for n in range(6)]
        for number, client in enumerate(clients):
            await following(room, client, key=f"é{number}")
        await room.say(2)
        for number, client in enumerate(clients):
            for event in (1, 2):
                greeting = f"{'en' if number % 2 else 'fr'} {event}"
                answer = await hear(client)
                assert (answer["id"], answer["type"]) == (f"é{number}", "next")
                assert answer["payload"]["data"] == {"events": {"sequence": event, "greeting": greeting}}
        assert room.executed["greeting"] == 4
    assert room.empty


async def test_a_socket_that_stops_reading_delays_nobody_and_misses_nothing(room: Room) -> None:
    own = socket.socket()
    async with room.served() as port:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        own.connect(("127.0.0.1", port))
        long = "x" * 20_000
        async with guest(port, long, sock=own, max_queue=1) as slow, guest(port, "quick") as quick:
            await following(room, slow, query=WORDY)
            await following(room, quick, query=WORDY)
            events = 0
            while sum(len(each._ready) for each in room.channels._open.values()) == 2:
                await room.say(20)
                assert [await sequence(quick) for _ in range(20)] == list(range(events + 1, events + 21))
                events += 20
            await room.say(STEP + 5)
            assert [await sequence(quick) for _ in range(STEP + 5)] == list(range(events + 1, events + STEP + 6))
            assert [await sequence(slow) for _ in range(events + STEP + 5)] == list(range(1, events + STEP + 6))
            await eventually(lambda: sum(len(each._ready) for each in room.channels._open.values()) == 2)
            await room.say()
            assert await sequence(slow) == await sequence(quick) == events + STEP + 6
    assert room.empty


async def test_a_session_that_ends_closes_its_socket_and_nothing_more_is_told(room: Room) -> None:
    async with room.served() as port, guest(port, "gone") as gone, guest(port, "stays") as stays:
        await following(room, gone)
        await following(room, stays)
        room.sessions.discard(1)
        room.hub.announce(["session:1"])
        await room.say()
        assert await sequence(stays) == 1
        assert await closed(gone) == (4401, "Unauthorized")
    assert room.empty


async def test_word_of_a_session_that_still_stands_changes_nothing(room: Room) -> None:
    async with room.served() as port, guest(port, "stays") as stays:
        await following(room, stays)
        for event in range(1, 6):
            room.hub.announce(["session:1"])
            await room.say()
            assert await sequence(stays) == event


async def test_nothing_is_heard_of_a_completed_id_that_is_used_again(room: Room) -> None:
    async with room.served() as port, guest(port, "g") as client:
        for turn in range(10):
            await following(room, client)
            writing = asyncio.create_task(room.say())
            await say(client, id="1", type="complete")
            await say(client, type="ping", payload={"turn": turn})
            while (answer := await hear(client))["type"] != "pong":
                assert answer["id"] == "1"
            await writing
        await subscribe(client, "1", "{ hello }")
        assert (await hear(client))["payload"]["data"] == {"hello": "world"}
        assert await hear(client) == {"id": "1", "type": "complete"}


async def test_several_subscriptions_of_one_socket_and_other_operations_mix(room: Room) -> None:
    async with room.served() as port, guest(port, "g") as client:
        for key in "abc":
            await following(room, client, key)
        await room.say(3)
        await subscribe(client, "q", "{ hello }")
        heard = [await hear(client) for _ in range(11)]
        for key in "abc":
            mine = [each["payload"]["data"]["events"]["sequence"] for each in heard if each["id"] == key]
            assert mine == [1, 2, 3]
        assert [each["type"] for each in heard if each["id"] == "q"] == ["next", "complete"]


async def test_the_servers_end_ends_channels(room: Room) -> None:
    async with room.served() as port, guest(port, "a") as one, guest(port, "b") as other:
        for client in (one, other):
            await following(room, client)
        (channel,) = room.channels._open.values()
        await room.say()
        await room.close()
        assert channel.reader.done()
        assert room.empty
        assert [await closed(client) for client in (one, other)] == [(1012, "Server restarts")] * 2


async def test_an_address_without_our_wire_is_served_by_asgi_alone(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Wire, "put", lambda self, frame: False)
    async with room.served() as port, guest(port, "g") as client:
        await following(room, client)
        for event in range(1, 4):
            await room.say()
            assert await sequence(client) == event


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_frames_are_as_the_websockets_library_makes_them(size: int) -> None:
    from websockets.frames import Frame, Opcode

    assert framed(b"x" * size) == Frame(Opcode.TEXT, b"x" * size).serialize(mask=False)
