"""Clients that read slowly, are silent, disappear or flood; and the server's shutdown. Nothing
grows, nothing leaks, and other clients are not affected.
"""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from realtime.client import SocketLimits
from realtime.close_codes import CloseCode
from tests.realtime.socket_fixtures import (
    Server,
    receive,
    receive_pong,
    running_server,
    send,
    subscribe,
    wait_until,
    wait_until_closed,
)
from tests.waiting import MAX_WAIT

LONG_TIMEOUT_LIMITS = SocketLimits(
    send_timeout=10 * MAX_WAIT, ping_interval=10 * MAX_WAIT, messages_per_minute=100_000
)
SHORT_TIMEOUT_LIMITS = replace(LONG_TIMEOUT_LIMITS, send_timeout=0.2, close_timeout=0.1)


@pytest.fixture(scope="module")
def long_timeout_server() -> Iterator[Server]:
    """Neither disconnects clients that don't read nor pings them."""
    with running_server(LONG_TIMEOUT_LIMITS) as server:
        yield server


@pytest.fixture
def short_timeout_server() -> Iterator[Server]:
    """Disconnects clients that don't read for a fraction of a second."""
    with running_server(SHORT_TIMEOUT_LIMITS) as server:
        yield server


async def fill_send_buffers(client: ClientConnection) -> None:
    """Send pings and read no answers, until the server's reader waits as well."""
    with suppress(TimeoutError):
        while True:
            async with asyncio.timeout(0.3):
                await send(client, type="ping", payload={"a": "x" * 60_000})


async def wait_until_blocked(server: Server) -> int:
    """Wait until the flood stops because its sends wait for the client. Returns how many results it
    has produced.
    """

    def waiting() -> bool:
        return all(
            connection._sending.locked()
            for connection in server.endpoint._connections
            if connection._operations._open
        )

    produced_count = -1
    while produced_count != server.trace.produced:
        produced_count = server.trace.produced
        await wait_until(waiting)
        await asyncio.sleep(0.1)
    return produced_count


async def production_per_iteration(server: Server) -> list[int]:
    """How many events are produced in each iteration of the server's loop, until there are a
    hundred. An iteration may produce none: the flood also waits for its client, which runs beside
    the server.
    """
    counts: list[int] = []
    async with asyncio.timeout(MAX_WAIT):
        while sum(counts) < 100:
            count_before = server.trace.produced
            await asyncio.sleep(0)
            counts.append(server.trace.produced - count_before)
    return counts


@asynccontextmanager
async def slow_client(server: Server) -> AsyncIterator[ClientConnection]:
    """A client that stops reading after a few messages."""
    raw_socket = socket.create_connection(("127.0.0.1", server.port))
    raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    client = await server.connect(sock=raw_socket, max_queue=1)
    try:
        yield client
    finally:
        client.transport.abort()  # a close frame would wait for room to write


async def test_a_client_that_stops_reading_stops_the_source(long_timeout_server: Server) -> None:
    async with (
        slow_client(long_timeout_server) as slow,
        await long_timeout_server.connect() as quick,
    ):
        for operation_id in "abc":
            await subscribe(slow, operation_id, "subscription { flood(kilobytes: 10) }")
        produced_count = await wait_until_blocked(long_timeout_server)
        # 10 MB, nearly all in the kernel's buffers, of an endless source.
        assert produced_count < 1000
        for number in range(50):  # meanwhile other clients are answered
            await subscribe(quick, str(number), "{ hello }")
            assert (await receive(quick))["type"] == "next"
            assert (await receive(quick))["type"] == "complete"
        for _ in range(produced_count + 100):  # when the client reads again, the source continues
            await receive(slow)
        assert long_timeout_server.trace.produced > produced_count
    await wait_until(long_timeout_server.has_no_tasks)


async def test_a_flood_to_a_client_that_reads_fast_leaves_time_for_others(
    long_timeout_server: Server,
) -> None:
    async with (
        await long_timeout_server.connect() as flooded_client,
        await long_timeout_server.connect() as quick,
    ):
        await subscribe(flooded_client, "1", "subscription { flood(kilobytes: 1) }")

        async def read() -> None:
            while True:
                await flooded_client.recv()

        read_task = asyncio.create_task(read())
        for number in range(20):
            await subscribe(quick, str(number), "{ hello }")
            assert (await receive(quick))["type"] == "next"
            await receive(quick)
        counts = await long_timeout_server.call(
            lambda: production_per_iteration(long_timeout_server)
        )
        assert max(counts) <= 2
        await send(flooded_client, id="1", type="complete")
        await wait_until(lambda: not long_timeout_server.trace.open)
        read_task.cancel()


async def test_a_client_that_stops_reading_is_disconnected(short_timeout_server: Server) -> None:
    async with slow_client(short_timeout_server) as slow:
        await subscribe(slow, "1", "subscription { flood(kilobytes: 50) }")
        await wait_until(lambda: bool(short_timeout_server.trace.produced))
        await wait_until(short_timeout_server.has_no_tasks)
        await wait_until(lambda: not short_timeout_server.uvicorn.server_state.connections)
        assert await wait_until_closed(slow) == (CloseCode.ABNORMAL_CLOSURE, "")


async def test_a_client_that_floods_the_server_with_pings_and_reads_no_answers_is_disconnected(
    short_timeout_server: Server,
) -> None:
    async with slow_client(short_timeout_server) as slow:
        async with asyncio.timeout(MAX_WAIT):
            with suppress(ConnectionClosed):
                while True:
                    await send(slow, type="ping", payload={"a": "x" * 60_000})
        await wait_until(short_timeout_server.has_no_tasks)
        assert (await wait_until_closed(slow))[0] == CloseCode.ABNORMAL_CLOSURE


async def test_a_silent_client_is_pinged_and_then_disconnected() -> None:
    with running_server(SocketLimits(ping_interval=0.1)) as server:
        async with server.open_websocket() as client:
            await send(client, type="connection_init")
            while (await receive(client)) != {"type": "ping"}:
                pass
            assert await wait_until_closed(client) == (CloseCode.TIMEOUT, "Ping unanswered")


async def test_a_client_that_answers_pings_stays_connected() -> None:
    with running_server(SocketLimits(ping_interval=1)) as server:
        async with await server.connect() as client:
            for _ in range(2):
                assert await receive(client) == {"type": "ping"}
                await send(client, type="pong")
            await subscribe(client, "1", "{ hello }")
            assert (await receive(client))["type"] == "next"


async def test_nothing_is_left_of_clients_that_disappear(long_timeout_server: Server) -> None:
    clients = [await long_timeout_server.connect() for _ in range(10)]
    for client in clients:
        for operation_id in "abc":
            await subscribe(
                client, operation_id, f'subscription {{ wait(name: "{client.id}{operation_id}") }}'
            )
            await receive(client)
    assert len(long_timeout_server.trace.open) == 30
    assert await long_timeout_server.tasks() == 10 * (1 + 3)  # the reader, and each operation
    for client in clients:
        client.transport.abort()
    await wait_until(lambda: not long_timeout_server.trace.open)
    await wait_until(long_timeout_server.has_no_tasks)


async def test_a_completed_subscription_may_finish_its_cleanup(long_timeout_server: Server) -> None:
    async with await long_timeout_server.connect() as client:
        await subscribe(
            client, "1", 'subscription { wait(name: "completed", cleanup: "completed") }'
        )
        await receive(client)
        await send(client, id="1", type="complete")
        await receive_pong(client)
    assert "completed" in long_timeout_server.trace.open
    await long_timeout_server.set_signal("completed")
    await wait_until(lambda: "completed" not in long_timeout_server.trace.open)
    await wait_until(long_timeout_server.has_no_tasks)


async def test_subscriptions_may_finish_their_cleanup_when_the_client_disappears(
    long_timeout_server: Server,
) -> None:
    async with slow_client(long_timeout_server) as slow:
        for name in "abcdef":
            flood = f'flood(kilobytes: 50, cleanup: "disappeared", name: "{name}")'
            await subscribe(slow, name, f"subscription {{ {flood} }}")
        await fill_send_buffers(slow)
    assert long_timeout_server.trace.open == set("abcdef")
    await long_timeout_server.set_signal("disappeared")
    await wait_until(long_timeout_server.has_no_tasks)
    assert not long_timeout_server.trace.open


async def test_a_mutation_is_completed_after_its_client_has_gone(
    long_timeout_server: Server,
) -> None:
    async with await long_timeout_server.connect() as client:
        await subscribe(client, "1", 'mutation { store(word: "word", until: "client gone") }')
        await wait_until(lambda: "word" in long_timeout_server.trace.started)
        await send(client, id="1", type="complete")
        await receive_pong(client)
    await long_timeout_server.set_signal("client gone")
    await wait_until(lambda: "word" in long_timeout_server.trace.stored)


async def test_close_all_closes_every_connection_and_cleans_up() -> None:
    with running_server() as server:
        clients = [await server.connect() for _ in range(3)]
        for client in clients:
            await subscribe(client, "1", f'subscription {{ wait(name: "{client.id}") }}')
            await receive(client)
        await server.call(server.endpoint.close_all)
        assert not server.trace.open
        await wait_until(server.has_no_tasks)
        assert [await wait_until_closed(client) for client in clients] == [
            (CloseCode.SERVICE_RESTART, "Server restarts")
        ] * 3


async def test_close_all_waits_for_the_cleanup_of_sources_whose_client_does_not_read() -> None:
    with running_server(replace(LONG_TIMEOUT_LIMITS, close_timeout=0.05)) as server:
        async with slow_client(server) as slow:
            await subscribe(
                slow, "1", 'subscription { flood(kilobytes: 50, cleanup: "close_all") }'
            )
            await wait_until_blocked(server)
            close_task = asyncio.create_task(server.call(server.endpoint.close_all))
            finished, _ = await asyncio.wait([close_task], timeout=0.3)
            assert not finished
            assert server.trace.open
            await server.set_signal("close_all")
            await close_task
            assert not server.trace.open


async def test_the_server_stops_although_clients_are_connected() -> None:
    with running_server(replace(LONG_TIMEOUT_LIMITS, close_timeout=0.1)) as server:
        async with await server.connect() as quick, slow_client(server) as slow:
            await subscribe(quick, "1", "subscription { wait }")
            await subscribe(slow, "1", "subscription { flood(kilobytes: 50) }")
            await receive(quick)
            await fill_send_buffers(slow)
            server.uvicorn.should_exit = True
            assert (await wait_until_closed(quick))[0] == CloseCode.SERVICE_RESTART
            await wait_until(lambda: not server.trace.open)
            # Although the slow client still doesn't read.
            await wait_until(lambda: not server.loop.is_running())


async def test_the_number_of_connections_is_limited() -> None:
    with running_server(SocketLimits(connections=2)) as server:
        async with await server.connect(), await server.connect():
            with pytest.raises(InvalidStatus) as error:
                await server.connect()
            assert error.value.response.status_code == 503
        await wait_until(server.has_no_tasks)
        async with await server.connect():
            pass


OPERATION_IDS = st.sampled_from(["1", "2", "", "é", 1, None])
PAYLOADS = st.sampled_from(
    [
        {"query": "{ hello }"},
        {"query": "{ hello"},
        {"query": "subscription { wait }"},
        {"query": "subscription { count(to: 3) }", "variables": {}},
        {"query": "subscription { failing }"},
        {"query": "mutation { store(word: 1) }"},
        {"query": None, "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0"}}},
        {"query": 'mutation { store(word: "m") }', "operationName": "nobody"},
    ]
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)
MESSAGE_TYPES = st.sampled_from(
    ["subscribe", "complete", "ping", "pong", "connection_init", "next", "error", "x"]
)
VALID_MESSAGES = st.builds(
    lambda key, payload: {"type": "subscribe", "id": key, "payload": payload},
    st.sampled_from(["1", "2"]),
    PAYLOADS,
) | st.builds(lambda key: {"type": "complete", "id": key}, st.sampled_from(["1", "2"]))
MALFORMED_MESSAGES = st.fixed_dictionaries(
    {"type": MESSAGE_TYPES | JSON_VALUES},
    optional={"id": OPERATION_IDS, "payload": PAYLOADS | JSON_VALUES},
)
FRAMES = st.lists(VALID_MESSAGES | VALID_MESSAGES | MALFORMED_MESSAGES | JSON_VALUES, max_size=8)


def encode_frame(frame: Any) -> str:
    try:
        return orjson.dumps(frame).decode()
    except TypeError:  # beyond 64 bits, lone surrogates
        return '{"type":"ping","payload":{"big":' + "9" * random.randint(20, 400) + "}}"


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(frames=FRAMES, sends_ack=st.booleans())
def test_any_frames_are_answered_or_close_the_connection_and_affect_no_one_else(
    frames: list[Any], sends_ack: bool, long_timeout_server: Server
) -> None:
    async def exchange_frames() -> None:
        async with (
            await long_timeout_server.connect() as other_client,
            await long_timeout_server.connect()
            if sends_ack
            else long_timeout_server.open_websocket() as client,
        ):
            try:
                for frame in frames:
                    await client.send(encode_frame(frame))
                await send(client, type="ping", payload={"survived": True})
                while (await receive(client)).get("payload") != {"survived": True}:
                    pass
            except ConnectionClosed:
                assert client.close_code in {
                    CloseCode.BAD_REQUEST,
                    CloseCode.UNAUTHORIZED,
                    CloseCode.SUBSCRIBER_ALREADY_EXISTS,
                    CloseCode.TOO_MANY_REQUESTS,
                }
            await subscribe(other_client, "n", "{ hello }")
            assert (await receive(other_client))["payload"]["data"] == {"hello": "hello world"}

    asyncio.run(exchange_frames())
