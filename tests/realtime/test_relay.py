"""Two processes that notify each other through a real Redis: each has a hub, and no sweep."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from bench.redis_server import RedisServer
from realtime import relay
from realtime.hub import Hub
from realtime.presence import Presence, typing_key
from realtime.relay import Relay
from tests.waiting import MAX_WAIT

if TYPE_CHECKING:
    from tests.conftest import MovableClock

SECRET = "a secret key of a test, long enough"


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    monkeypatch.setattr(relay, "RETRY_SECONDS", 0.01)
    server = RedisServer()
    yield server
    server.close()


@dataclass
class Process:
    """The parts of a server process that serve subscriptions."""

    hub: Hub
    presence: Presence
    relay: Relay

    async def hears(self, other: "Process", key: str) -> None:
        """Waits until announcements of the other process arrive here."""
        with self.hub.listen(key) as heard:
            async with asyncio.timeout(MAX_WAIT):
                while not heard.is_set():
                    other.hub.announce([key])
                    with suppress(TimeoutError):
                        async with asyncio.timeout(0.05):
                            await heard.wait()


@asynccontextmanager
async def running(
    redis: RedisServer, clock: "MovableClock", secret: str = SECRET
) -> AsyncIterator[Process]:
    hub = Hub()
    presence = Presence(hub, clock)
    process = Process(hub, presence, Relay(redis.url, secret, hub, presence))
    task = asyncio.create_task(process.relay.run())
    yield process
    task.cancel()
    await asyncio.wait([task], timeout=MAX_WAIT)
    assert task.cancelled()


@pytest.fixture
async def processes(
    redis: RedisServer, clock: "MovableClock"
) -> AsyncIterator[tuple[Process, Process]]:
    async with running(redis, clock) as first, running(redis, clock) as second:
        await first.hears(second, "ready")
        await second.hears(first, "ready")
        yield first, second


async def test_the_other_process_hears_an_announcement_once(
    processes: tuple[Process, Process],
) -> None:
    first, second = processes
    heard: dict[str, list[str]] = {"first": [], "second": []}
    for name, process in zip(heard, processes, strict=True):
        for key in ("ticket:1", "ticket:2", "end"):
            process.hub.add_listener(partial(heard[name].append, key), key)
    first.hub.announce(["ticket:1", "ticket:2"])
    first.hub.announce(["ticket:1", "other"])
    await second.hears(first, "ticket:1 was heard")
    await first.hears(second, "nothing came back")
    assert heard == {
        "first": ["ticket:1", "ticket:2", "ticket:1"],
        "second": ["ticket:1", "ticket:2"],
    }


async def test_what_the_sweep_finds_is_not_published(processes: tuple[Process, Process]) -> None:
    first, second = processes
    with second.hub.listen("ticket:1") as heard:
        first.hub.notify(["ticket:1"])
        await second.hears(first, "later")
        assert not heard.is_set()


async def test_the_other_process_sees_who_is_typing(
    processes: tuple[Process, Process],
) -> None:
    first, second = processes

    async def is_allowed() -> None:
        pass

    async with asyncio.timeout(MAX_WAIT):
        watched = second.presence.watch(7, 2, is_allowed)
        first.presence.set_typing(7, 1, True)
        first.presence.set_typing(7, 2, True)  # the watcher on another device
        state = await anext(watched)
        assert (state.ticket_id, state.user_id, state.typing) == (7, 1, True)
        first.presence.set_typing(7, 1, False)
        assert not (await anext(watched)).typing


async def test_installations_that_share_a_redis_do_not_hear_each_other(
    redis: RedisServer, clock: "MovableClock", processes: tuple[Process, Process]
) -> None:
    first, second = processes
    async with running(redis, clock, "the secret key of another installation") as stranger:
        with second.hub.listen("ticket:1", typing_key(7)) as heard:
            for _ in range(20):
                stranger.hub.announce(["ticket:1"])
                stranger.presence.set_typing(7, 1, True)
                await second.hears(first, "later")
            assert not heard.is_set()


async def test_messages_of_others_are_ignored(
    redis: RedisServer, processes: tuple[Process, Process]
) -> None:
    first, second = processes
    messages = (b"", b"{}", b'"x"', b"[1]", b'["a", 1, []]', b'["a", [], [[1]]]', b"\xff")
    with capture_logs() as entries:
        for message in messages:
            redis.client().publish(first.relay.channel, message)
        await second.hears(first, "later")
    invalid = [entry for entry in entries if entry["event"] == "relay.message_invalid"]
    assert len(invalid) == 2 * len(messages)  # each process


async def test_a_redis_that_restarts_is_used_again(
    redis: RedisServer, processes: tuple[Process, Process]
) -> None:
    first, second = processes
    with capture_logs() as entries:
        redis.kill()
        async with asyncio.timeout(MAX_WAIT):
            while len(entries) < 2:  # both have noticed
                first.hub.announce(["lost"])
                await asyncio.sleep(0.01)
        redis.start()
        await second.hears(first, "after the restart")
        await first.hears(second, "after the restart")
    events = [(entry["event"], entry["connection"]) for entry in entries]
    assert set(events) == {
        (event, connection)
        for event in ("relay.unavailable", "relay.available")
        for connection in ("publish", "subscribe")
    }
    assert len(events) <= 8  # once for each connection of each process


async def test_a_redis_that_stops_responding_is_left_and_used_again(
    monkeypatch: pytest.MonkeyPatch, redis: RedisServer, clock: "MovableClock"
) -> None:
    monkeypatch.setattr(relay, "PING_SECONDS", 0.1)
    async with running(redis, clock) as first, running(redis, clock) as second:
        await second.hears(first, "ready")
        redis.suspend()
        with capture_logs() as entries:
            async with asyncio.timeout(MAX_WAIT):
                while {"publish", "subscribe"} - {entry["connection"] for entry in entries}:
                    first.hub.announce(["lost"])
                    await asyncio.sleep(0.01)
        redis.resume()
        await second.hears(first, "again")


async def test_a_slow_redis_costs_no_memory(
    monkeypatch: pytest.MonkeyPatch, clock: "MovableClock"
) -> None:
    monkeypatch.setattr(relay, "MAX_PENDING", 10)
    hub = Hub()
    presence = Presence(hub, clock)
    stopped = Relay("unix:///nowhere", SECRET, hub, presence)  # isn't running
    for number in range(100):
        hub.announce([f"ticket:{number}"])
        presence.set_typing(number, 1, True)
    assert len(stopped._keys) == len(stopped._typing) == 10


async def test_a_process_stops_whatever_its_relay_is_doing(
    redis: RedisServer, clock: "MovableClock"
) -> None:
    """A cancellation isn't lost, in whichever step of publishing it arrives."""
    for steps in range(25):
        async with running(redis, clock) as process, asyncio.timeout(MAX_WAIT):
            while not redis.client().pubsub_numsub(process.relay.channel)[0][1]:
                await asyncio.sleep(0.001)
            process.hub.announce(["ticket:1"])
            for _ in range(steps):
                await asyncio.sleep(0)
