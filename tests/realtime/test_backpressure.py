"""Slow, silent and vanishing peers; floods; the server's end. Nothing grows, nothing leaks, nobody else notices."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from realtime.endpoint import SocketLimits
from tests.realtime.socket_fixtures import House, closed, hear, house, say, subscribe, until

PATIENT = SocketLimits(send_timeout=60, messages_per_minute=100_000)
STRICT = SocketLimits(send_timeout=0.6, ping_interval=0.4)


@pytest.fixture(scope="module")
def patient() -> Iterator[House]:
    with house(PATIENT) as it:
        yield it


@pytest.fixture(scope="module")
def strict() -> Iterator[House]:
    with house(STRICT) as it:
        yield it


async def clog(slow: ClientConnection) -> None:
    """Sends pings whose answers nobody takes, until the server's reader waits as well."""
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            while True:
                await say(slow, type="ping", payload={"a": "x" * 60_000})


async def steady(it: House) -> int:
    """How far the flood was pulled, once it stands still."""
    before = -1
    while before != it.toy.pulled:
        before = it.toy.pulled
        await asyncio.sleep(0.3)
    return before


async def no_tasks(it: House) -> bool:
    return await it.tasks() == 0


async def pulled_in_turns(it: House) -> list[int]:
    """How many events are pulled in each turn of the server's loop, until a hundred were.

    A turn may well pull none: the flood also waits for its reader, who runs beside the server.
    """
    steps: list[int] = []
    async with asyncio.timeout(60):
        while sum(steps) < 100:
            before = it.toy.pulled
            await asyncio.sleep(0)
            steps.append(it.toy.pulled - before)
    return steps


@asynccontextmanager
async def deaf(it: House) -> AsyncIterator[ClientConnection]:
    """A guest whose side stops reading after a few messages."""
    own = socket.create_connection(("127.0.0.1", it.port))
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    guest = await it.guest(sock=own, max_queue=1)
    try:
        yield guest
    finally:
        guest.transport.abort()  # a polite close would wait for room to write


async def test_a_reader_who_stops_stops_the_source(patient: House) -> None:
    async with deaf(patient) as slow, await patient.guest() as quick:
        for key in "abc":
            await subscribe(slow, key, "subscription { flood(kilobytes: 10) }")
        pulled = await steady(patient)
        assert pulled < 1000  # 10 MB, nearly all in the kernel's buffers, of a source without end
        for number in range(50):  # while it stands still, others are answered
            await subscribe(quick, str(number), "{ hello }")
            assert (await hear(quick))["type"] == "next"
            assert (await hear(quick))["type"] == "complete"
        for _ in range(pulled + 100):  # reading again, it goes on where it stood
            await hear(slow)
        assert patient.toy.pulled > pulled
    await until(lambda: no_tasks(patient))


async def test_a_flood_to_a_quick_reader_leaves_room_for_others(patient: House) -> None:
    async with await patient.guest() as greedy, await patient.guest() as quick:
        await subscribe(greedy, "1", "subscription { flood(kilobytes: 1) }")

        async def drink() -> None:
            while True:
                await greedy.recv()

        drinking = asyncio.create_task(drink())
        for number in range(20):
            await subscribe(quick, str(number), "{ hello }")
            assert (await hear(quick))["type"] == "next"
            await hear(quick)
        steps = await patient.ask(lambda: pulled_in_turns(patient))
        assert max(steps) <= 2
        await say(greedy, id="1", type="complete")
        await steady(patient)
        drinking.cancel()


async def test_a_reader_who_stops_is_dropped(strict: House) -> None:
    async with deaf(strict) as slow:
        await subscribe(slow, "1", "subscription { flood(kilobytes: 50) }")
        await until(lambda: bool(strict.toy.pulled))
        await until(lambda: no_tasks(strict), 8)
        await until(lambda: not strict.server.server_state.connections, 8)
        assert await closed(slow) == (1006, "")


async def test_a_reader_who_stops_and_floods_us_with_pings_is_dropped(strict: House) -> None:
    async with deaf(strict) as slow:
        with suppress(ConnectionClosed, TimeoutError):
            async with asyncio.timeout(3):
                for _ in range(500):
                    await say(slow, type="ping", payload={"a": "x" * 60_000})
        await until(lambda: no_tasks(strict), 8)
        assert (await closed(slow))[0] == 1006


async def test_a_silent_peer_is_pinged_then_dropped(strict: House) -> None:
    async with await strict.guest() as silent:
        assert await hear(silent) == {"type": "ping"}
        assert await closed(silent) == (4408, "Ping unanswered")


async def test_a_peer_that_answers_stays(strict: House) -> None:
    async with await strict.guest() as alive:
        for _ in range(4):
            assert await hear(alive) == {"type": "ping"}
            await say(alive, type="pong")
        await subscribe(alive, "1", "{ hello }")
        assert (await hear(alive))["type"] == "next"


async def test_nothing_is_left_of_sockets_that_vanish(patient: House) -> None:
    guests = [await patient.guest() for _ in range(10)]
    for guest in guests:
        for key in "abc":
            await subscribe(guest, key, f'subscription {{ wait(name: "{guest.id}{key}") }}')
            await hear(guest)
    assert len(patient.toy.open) == 30
    assert await patient.tasks() == 10 * (1 + 3)  # the reader, and each operation
    for guest in guests:
        guest.transport.abort()
    await until(lambda: not patient.toy.open)
    await until(lambda: no_tasks(patient))


async def test_a_source_may_finish_its_cleaning_up(patient: House) -> None:
    async with await patient.guest() as guest:
        await subscribe(guest, "1", 'subscription { wait(name: "tidy", leaveAfter: 0.3) }')
        await hear(guest)
        await say(guest, id="1", type="complete")
        await say(guest, type="ping")
        assert (await hear(guest))["type"] == "pong"
    await until(lambda: "tidy" not in patient.toy.open)
    await until(lambda: no_tasks(patient))


async def test_sources_may_finish_their_cleaning_up_when_the_peer_vanishes(patient: House) -> None:
    async with deaf(patient) as slow:
        for key in "abcdef":
            flood = f'flood(kilobytes: 50, leaveAfter: 0.3, name: "{key}")'
            await subscribe(slow, key, f"subscription {{ {flood} }}")
        await clog(slow)
    await until(lambda: no_tasks(patient))
    assert not patient.toy.open


async def test_a_mutation_outlives_its_socket(patient: House) -> None:
    async with await patient.guest() as guest:
        await subscribe(guest, "1", 'mutation { keep(word: "outlived", after: 0.3) }')
        await until(lambda: "outlived" in patient.toy.begun)
        await say(guest, id="1", type="complete")
        await say(guest, type="ping")
        assert (await hear(guest))["type"] == "pong"
    await until(lambda: "outlived" in patient.toy.mutated)


async def test_close_all() -> None:
    with house() as it:
        guests = [await it.guest() for _ in range(3)]
        for guest in guests:
            await subscribe(guest, "1", f'subscription {{ wait(name: "{guest.id}", leaveAfter: 0.2) }}')
            await hear(guest)
        await it.ask(it.socket.close_all)
        assert not it.toy.open
        await until(lambda: no_tasks(it))
        assert [await closed(guest) for guest in guests] == [(1012, "Server restarts")] * 3


async def test_close_all_waits_for_sources_that_stood_at_a_send() -> None:
    with house() as it:
        async with deaf(it) as slow:
            await subscribe(slow, "1", "subscription { flood(kilobytes: 50, leaveAfter: 1.5) }")
            await steady(it)
            await it.ask(it.socket.close_all)
            assert not it.toy.open


async def test_the_server_stops_with_open_sockets() -> None:
    with house() as it:
        async with await it.guest() as quick, deaf(it) as slow:
            await subscribe(quick, "1", "subscription { wait }")
            await subscribe(slow, "1", "subscription { flood(kilobytes: 50) }")
            await hear(quick)
            await clog(slow)
            it.server.should_exit = True
            assert (await closed(quick))[0] == 1012
            await until(lambda: not it.toy.open, 10)
            await until(lambda: not it.loop.is_running(), 10)  # although `slow` still doesn't read


async def test_too_many_sockets() -> None:
    with house(SocketLimits(sockets=2)) as it:
        async with await it.guest(), await it.guest():
            with pytest.raises(Exception, match="503"):
                await it.guest()
        await until(lambda: no_tasks(it))
        async with await it.guest():
            pass


NAMES = st.sampled_from(["1", "2", "", "é", 1, None])
PAYLOADS = st.sampled_from(
    [
        {"query": "{ hello }"},
        {"query": "{ hello"},
        {"query": "subscription { wait }"},
        {"query": "subscription { count(to: 3) }", "variables": {}},
        {"query": "subscription { failing }"},
        {"query": "mutation { keep(word: 1) }"},
        {"query": None, "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0"}}},
        {"query": 'mutation { keep(word: "m") }', "operationName": "nobody"},
    ]
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
TYPES = st.sampled_from(["subscribe", "complete", "ping", "pong", "connection_init", "next", "error", "x"])
PLAUSIBLE = st.builds(
    lambda key, payload: {"type": "subscribe", "id": key, "payload": payload}, st.sampled_from(["1", "2"]), PAYLOADS
) | st.builds(lambda key: {"type": "complete", "id": key}, st.sampled_from(["1", "2"]))
ODD = st.fixed_dictionaries({"type": TYPES | JSON_VALUES}, optional={"id": NAMES, "payload": PAYLOADS | JSON_VALUES})
FRAMES = st.lists(PLAUSIBLE | PLAUSIBLE | ODD | JSON_VALUES, max_size=8)


def encoded(frame: Any) -> str:
    try:
        return orjson.dumps(frame).decode()
    except TypeError:  # beyond 64 bits, lone surrogates
        return '{"type":"ping","payload":{"big":' + "9" * random.randint(20, 400) + "}}"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=FRAMES, introduced=st.booleans())
def test_any_frames_end_in_a_code_of_ours_and_hurt_nobody(frames: list[Any], introduced: bool, patient: House) -> None:
    async def talk() -> None:
        async with await patient.guest() as neighbour, await patient.guest() if introduced else patient.dial() as odd:
            try:
                for frame in frames:
                    await odd.send(encoded(frame))
                await say(odd, type="ping", payload={"survived": True})
                while (await hear(odd)).get("payload") != {"survived": True}:
                    pass
            except ConnectionClosed:
                assert odd.close_code in {4400, 4401, 4409, 4429}
            await subscribe(neighbour, "n", "{ hello }")
            assert (await hear(neighbour))["payload"]["data"] == {"hello": "hello world"}

    asyncio.run(talk())
