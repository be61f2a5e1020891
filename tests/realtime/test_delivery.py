"""Shared delivery over real websockets: frames written without ASGI keep their order among messages
sent through it.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol

from models.action import Action
from realtime.close_codes import CloseCode
from realtime.messages import SUBPROTOCOL
from realtime.stream import PAGE_SIZE
from realtime.uvicorn_protocol import UvicornProtocol, text_frame
from tests.realtime.socket_fixtures import (
    receive,
    receive_pong,
    send,
    subscribe,
    wait_until,
    wait_until_closed,
)
from tests.realtime.stream_fixtures import StreamApp

GREETING = "subscription { events { sequence greeting } }"
NAME = "subscription { events { sequence name } }"


@pytest.fixture
def app(db: str, action: Action) -> StreamApp:
    return StreamApp(action)


@asynccontextmanager
async def connect_as(
    port: int, name: str, language: str = "fr", **options: Any
) -> AsyncIterator[ClientConnection]:
    url = f"ws://127.0.0.1:{port}/graphql"
    async with connect(
        url, subprotocols=[Subprotocol(SUBPROTOCOL)], ping_interval=None, **options
    ) as client:
        await send(client, type="connection_init", payload={"name": name, "language": language})
        assert await receive(client) == {"type": "connection_ack"}
        yield client


async def subscribe_and_wait(
    app: StreamApp, client: ClientConnection, operation_id: str = "1", query: str = GREETING
) -> None:
    """Subscribe, and wait until the subscription is live."""
    live_count = len(app.live_subscriptions)
    await subscribe(client, operation_id, query)
    await wait_until(lambda: len(app.live_subscriptions) == live_count + 1)


async def receive_sequence(client: ClientConnection) -> int:
    return int((await receive(client))["payload"]["data"]["events"]["sequence"])


async def test_each_client_receives_what_its_viewer_sees_under_its_own_id(app: StreamApp) -> None:
    languages = ["fr", "en"] * 3
    async with app.serve() as port, AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(connect_as(port, f"p{n}", each))
            for n, each in enumerate(languages)
        ]
        for number, client in enumerate(clients):
            await subscribe_and_wait(app, client, f"é{number}")
        await app.append(2)
        for number, (client, language) in enumerate(zip(clients, languages, strict=True)):
            for event in (1, 2):
                message = await receive(client)
                assert (message["id"], message["type"]) == (f"é{number}", "next")
                assert message["payload"]["data"] == {
                    "events": {"sequence": event, "greeting": f"{language} {event}"}
                }
        assert app.executed["greeting"] == 4
    assert app.is_idle


async def test_a_client_that_stops_reading_delays_no_one_and_misses_nothing(app: StreamApp) -> None:
    raw_socket = socket.socket()
    async with app.serve() as port:
        raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw_socket.connect(("127.0.0.1", port))
        long_name = "x" * 20_000
        async with (
            connect_as(port, long_name, sock=raw_socket, max_queue=1) as slow,
            connect_as(port, "quick") as quick,
        ):
            await subscribe_and_wait(app, slow, query=NAME)
            await subscribe_and_wait(app, quick, query=NAME)
            events = 0
            while len(app.live_subscriptions) == 2:
                await app.append(20)
                assert [await receive_sequence(quick) for _ in range(20)] == list(
                    range(events + 1, events + 21)
                )
                events += 20
            await app.append(PAGE_SIZE + 5)
            last = events + PAGE_SIZE + 5
            assert [await receive_sequence(quick) for _ in range(PAGE_SIZE + 5)] == list(
                range(events + 1, last + 1)
            )
            assert [await receive_sequence(slow) for _ in range(last)] == list(range(1, last + 1))
            await wait_until(lambda: len(app.live_subscriptions) == 2)
            await app.append()
            assert await receive_sequence(slow) == await receive_sequence(quick) == last + 1
    assert app.is_idle


async def test_the_end_of_a_session_closes_its_connection_and_nothing_more_is_delivered(
    app: StreamApp,
) -> None:
    async with (
        app.serve() as port,
        connect_as(port, "signed out") as signed_out,
        connect_as(port, "other") as other,
    ):
        await subscribe_and_wait(app, signed_out)
        await subscribe_and_wait(app, other)
        app.sessions.discard(1)
        app.hub.announce(["session:1"])
        await app.append()
        assert await receive_sequence(other) == 1
        assert await wait_until_closed(signed_out) == (CloseCode.UNAUTHORIZED, "Unauthorized")
    assert app.is_idle


async def test_an_announcement_about_a_session_that_is_still_valid_changes_nothing(
    app: StreamApp,
) -> None:
    async with app.serve() as port, connect_as(port, "someone") as client:
        await subscribe_and_wait(app, client)
        for event in range(1, 6):
            app.hub.announce(["session:1"])
            await app.append()
            assert await receive_sequence(client) == event


async def test_an_id_is_free_again_as_soon_as_its_subscription_is_completed(app: StreamApp) -> None:
    async with app.serve() as port, connect_as(port, "someone") as client:
        for _ in range(10):
            await subscribe_and_wait(app, client)
            append_task = asyncio.create_task(app.append())
            await send(client, id="1", type="complete")
            assert all(message["id"] == "1" for message in await receive_pong(client))
            await append_task
        await subscribe(client, "1", "{ hello }")
        assert (await receive(client))["payload"]["data"] == {"hello": "world"}
        assert await receive(client) == {"id": "1", "type": "complete"}


async def test_a_connection_may_have_several_subscriptions_and_other_operations(
    app: StreamApp,
) -> None:
    async with app.serve() as port, connect_as(port, "someone") as client:
        for operation_id in "abc":
            await subscribe_and_wait(app, client, operation_id)
        await app.append(3)
        await subscribe(client, "q", "{ hello }")
        messages = [await receive(client) for _ in range(11)]
        for operation_id in "abc":
            payloads = [message["payload"] for message in messages if message["id"] == operation_id]
            assert [payload["data"]["events"]["sequence"] for payload in payloads] == [1, 2, 3]
        assert [message["type"] for message in messages if message["id"] == "q"] == [
            "next",
            "complete",
        ]


async def test_broadcasts_end_when_the_server_stops(app: StreamApp) -> None:
    async with app.serve() as port, connect_as(port, "a") as one, connect_as(port, "b") as other:
        for client in (one, other):
            await subscribe_and_wait(app, client)
        (broadcast,) = app.broadcasts
        await app.append()
        await app.endpoint.close_all()
        assert broadcast.reader.done()
        assert app.is_idle
        assert [await wait_until_closed(client) for client in (one, other)] == [
            (CloseCode.SERVICE_RESTART, "Server restarts")
        ] * 2


async def test_events_are_delivered_through_asgi_when_frames_cannot_be_written_directly(
    app: StreamApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UvicornProtocol, "try_write", lambda self, frame: False)
    async with app.serve() as port, connect_as(port, "someone") as client:
        await subscribe_and_wait(app, client)
        for event in range(1, 4):
            await app.append()
            assert await receive_sequence(client) == event


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_frames_are_those_of_the_websockets_library(size: int) -> None:
    assert text_frame(b"x" * size) == Frame(Opcode.TEXT, b"x" * size).serialize(mask=False)
