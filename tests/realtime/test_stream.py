"""The guarantee of live delivery as one mechanism: every follower sees the stream's events in order, without gap, each once."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from itertools import count
from random import Random

import pytest

from models.action import Action, Bus
from models.errors import AfterAhead, BadInput, Unauthenticated
from models.event import Event, EventKind, Stream, head
from realtime import stream as streams
from realtime.hub import Hub
from realtime.stream import STEP, follow

STREAM = "ticket:7"
pytestmark = pytest.mark.usefixtures("db")


class Undone(Exception):
    """Rolls a transaction back."""


class Access:
    """What may be taken away from a reader."""

    def __init__(self) -> None:
        self.granted = True
        self.asked = 0

    async def __call__(self) -> None:
        self.asked += 1
        if not self.granted:
            raise Unauthenticated


def now(action: Action, bus: Bus) -> Action:
    return Action(None, action.at, bus)


async def append(action: Action, events: int = 1, undone: bool = False, random: Random | None = None) -> None:
    """One transaction that appends so many events, with pauses in it when `random` is given."""
    async with action.transaction() as tx:
        for _ in range(events):
            await tx.append(STREAM, EventKind.STATUS_CHANGED)
            if random:
                await asyncio.sleep(random.random() / 200)
        if undone:
            raise Undone


async def take(following: AsyncGenerator[Event, None], events: int) -> list[int]:
    """The numbers of the next events, then the reader is gone."""
    async with aclosing(following), asyncio.timeout(20):
        return [(await anext(following)).sequence for _ in range(events)]


@asynccontextmanager
async def sweeping(hub: Hub) -> AsyncIterator[None]:
    """A process that does nothing but sweep."""

    async def sweep() -> None:
        while True:
            await hub.sweep()
            await asyncio.sleep(0.02)

    task = asyncio.create_task(sweep())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def write(action: Action, random: Random, transactions: int) -> int:
    """Transactions of one to three events, a third of them undone. How many events stayed."""
    stayed = 0
    for _ in range(transactions):
        events, undone = random.randint(1, 3), random.random() < 0.33
        try:
            await append(action, events, undone, random)
        except Undone:
            continue
        stayed += events
    return stayed


async def read(hub: Hub, random: Random, after: int, last: int) -> list[int]:
    """What a reader sees from `after` to `last`, hanging up at random and resuming behind the last event it saw."""
    seen = [after]
    async with asyncio.timeout(60):
        while seen[-1] < last:
            async with aclosing(follow(hub, STREAM, seen[-1], Access())) as following:
                for _ in range(random.randint(1, 9)):
                    seen.append((await anext(following)).sequence)
                    await asyncio.sleep(random.choice([0, 0, 0.01]))
                    if seen[-1] == last:
                        break
    return seen[1:]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("wakes", [True, False], ids=["announced", "swept"])
async def test_every_reader_sees_the_whole_sequence_once(action: Action, bus: Bus, seed: int, wakes: bool) -> None:
    random, hub = Random(seed), Hub()
    await append(action, 10)
    writer = now(action, hub if wakes else bus)
    writing = asyncio.gather(*(write(writer, Random(seed * 10 + n), 6) for n in range(3)))
    async with sweeping(hub):
        starts = [random.randint(0, 10) for _ in range(5)]
        reading = [asyncio.create_task(read(hub, Random(n), start, 11)) for n, start in enumerate(starts)]
        last = 10 + sum(await writing)
        await append(writer)
        early = await asyncio.gather(*reading)
        later = await asyncio.gather(*(read(hub, Random(n), start, last + 1) for n, start in enumerate(starts)))
    assert await head(STREAM) == last + 1
    assert await Event.all().count() == last + 1
    assert early == [list(range(start + 1, 12)) for start in starts]
    assert later == [list(range(start + 1, last + 2)) for start in starts]


@pytest.mark.parametrize("seed", range(3))
async def test_readers_follow_while_writers_write(action: Action, seed: int) -> None:
    random, hub = Random(seed), Hub()
    ticks = count(1)
    total = 40

    async def grow() -> None:
        while (tick := next(ticks)) <= total:
            try:
                await append(now(action, hub), 1, undone=tick % 4 == 0, random=random)
            except Undone:
                await append(now(action, hub), 1, random=random)

    readers = [read(hub, Random(n), 0, total) for n in range(4)]
    *_, first, second, third, fourth = await asyncio.gather(grow(), grow(), grow(), *readers)
    assert first == second == third == fourth == list(range(1, total + 1))


async def test_a_lost_wake_up_delays_until_the_sweep_only(action: Action, bus: Bus) -> None:
    hub = Hub()
    for sequence in (1, 2):
        reading = asyncio.create_task(take(follow(hub, STREAM, sequence - 1, Access()), 1))
        await asyncio.sleep(0.1)
        await append(now(action, bus))
        await asyncio.sleep(0.1)
        assert not reading.done()
        await hub.sweep()
        assert await reading == [sequence]


@pytest.mark.parametrize("after", [-1, 4, 2**63])
async def test_a_cursor_outside_of_the_stream_is_refused(action: Action, after: int) -> None:
    await append(action, 3)
    with pytest.raises(BadInput):
        await anext(follow(Hub(), STREAM, after, Access()))


async def test_no_cursor_starts_with_what_comes_next(action: Action) -> None:
    hub = Hub()
    await append(action, 3)
    reading = asyncio.create_task(take(follow(hub, STREAM, None, Access()), 1))
    await asyncio.sleep(0.2)
    await append(now(action, hub), 1)
    assert await reading == [4]


async def test_an_undone_transaction_leaves_no_number_and_wakes_nobody(action: Action, bus: Bus) -> None:
    await append(action)
    announced = list(bus.announced)  # type: ignore[attr-defined] # the tests' bus remembers
    with pytest.raises(Undone):
        await append(action, 2, undone=True)
    assert await head(STREAM) == 1
    assert bus.announced == announced  # type: ignore[attr-defined]


async def test_who_may_not_look_reads_nothing_at_all(action: Action) -> None:
    await append(action, 3)
    access = Access()
    access.granted = False
    with pytest.raises(Unauthenticated):
        await anext(follow(Hub(), STREAM, 0, access))


async def test_who_is_revoked_while_waiting_gets_nothing_more(action: Action) -> None:
    hub, access = Hub(), Access()
    reading = asyncio.create_task(take(follow(hub, STREAM, None, access), 1))
    await asyncio.sleep(0.1)
    access.granted = False
    await append(now(action, hub))
    with pytest.raises(Unauthenticated):
        await reading


async def test_who_is_revoked_is_woken_without_any_event() -> None:
    hub, access = Hub(), Access()
    reading = asyncio.create_task(take(follow(hub, STREAM, None, access, "session:9"), 1))
    await asyncio.sleep(0.1)
    access.granted = False
    hub.announce(["session:9"])
    with pytest.raises(Unauthenticated):
        await asyncio.wait_for(reading, 2)


async def seen_when_revoked_at_the_first(pause: float = 0) -> int:
    """How many events a reader gets who is revoked once it has the first, and who pauses after each."""
    access, seen = Access(), 0
    try:
        async for _ in follow(Hub(), STREAM, 0, access):
            access.granted = False
            seen += 1
            await asyncio.sleep(pause)
    except Unauthenticated:
        return seen
    raise AssertionError("the stream ended by itself")


async def test_who_is_revoked_in_mid_backlog_gets_the_rest_of_one_step_at_most(action: Action) -> None:
    await append(action, STEP + 20)
    assert await seen_when_revoked_at_the_first() == STEP


async def test_a_slow_reader_is_asked_again_within_a_step(action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "TRUSTED_SECONDS", 0.01)
    await append(action, 20)
    assert await seen_when_revoked_at_the_first(pause=0.02) == 1


async def test_a_slow_reader_holds_a_step_and_no_queue(action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
    hub, held = Hub(), []
    since = Event.since.__func__  # type: ignore[attr-defined] # a classmethod

    async def watched(cls: type[Event], stream: str, after: int, limit: int) -> list[Event]:
        found: list[Event] = await since(cls, stream, after, limit)
        held.append(len(found))
        return found

    monkeypatch.setattr(Event, "since", classmethod(watched))
    await append(action, 10)
    async with aclosing(follow(hub, STREAM, 0, Access())) as following:
        assert (await anext(following)).sequence == 1
        await append(now(action, hub), 3 * STEP)
        assert held == [10]  # nothing is read, let alone queued, for a reader that does not pull
        seen = [(await anext(following)).sequence for _ in range(9 + 3 * STEP)]
    assert seen == list(range(2, 11 + 3 * STEP))
    assert max(held) == STEP


async def test_a_reader_that_left_is_forgotten(action: Action) -> None:
    hub = Hub()
    await append(action)
    await take(follow(hub, STREAM, 0, Access()), 1)
    assert hub.listened("") == []


async def test_streams_do_not_mix(action: Action) -> None:
    async with action.transaction() as tx:
        await tx.append("ticket:8", EventKind.STATUS_CHANGED)
        await tx.append(STREAM, EventKind.TICKET_OPENED)
        await tx.append("ticket:8", EventKind.STATUS_CHANGED)
    assert dict(await Stream.all().values_list("key", "last_sequence")) == {"ticket:8": 2, STREAM: 1}
    assert await take(follow(Hub(), "ticket:8", 0, Access()), 2) == [1, 2]


async def test_a_session_that_ends_in_mid_step_gets_nothing_more(action: Action) -> None:
    """Point 9: the announcement of its end is enough, however fast the reader."""
    hub, access = Hub(), Access()
    await append(action, 10)
    async with aclosing(follow(hub, STREAM, 0, access, "session:1")) as following:
        assert (await anext(following)).sequence == 1
        access.granted = False
        hub.announce(["session:1"])
        with pytest.raises(Unauthenticated):
            await anext(following)


async def test_a_cursor_from_another_history_has_a_code_of_its_own(action: Action) -> None:
    """A client whose server was restored from an older backup must begin anew, not wait in silence."""
    await append(action, 2)
    with pytest.raises(AfterAhead) as refused:
        await anext(follow(Hub(), STREAM, 3, Access()))
    assert (refused.value.code, refused.value.reason) == ("AFTER_AHEAD", "0..2")
