"""The hub wakes who listens, remembers nothing of who left, and finds by itself what nobody announced."""

import asyncio

import pytest

from models.action import Action
from models.event import EventKind
from realtime.hub import Ear, Hub


async def woken(ear: Ear) -> bool:
    """Whether the ear wakes at once."""
    try:
        async with asyncio.timeout(0.02):
            await ear.wait()
    except TimeoutError:
        return False
    return True


async def test_only_who_listens_to_the_key_wakes() -> None:
    hub = Hub()
    with hub.listen("ticket:1", "session:4") as one, hub.listen("ticket:2") as other:
        hub.announce(["ticket:1"])
        assert [await woken(one), await woken(other)] == [True, False]
        hub.announce(["session:4", "nobody:1"])
        assert [await woken(one), await woken(other)] == [True, False]


async def test_many_wake_ups_are_one() -> None:
    hub = Hub()
    with hub.listen("ticket:1") as ear:
        for _ in range(1_000):
            hub.announce(["ticket:1"])
        assert [await woken(ear), await woken(ear)] == [True, False]


async def test_a_wake_up_before_the_wait_is_not_lost() -> None:
    hub = Hub()
    with hub.listen("ticket:1") as ear:
        hub.announce(["ticket:1"])
        await asyncio.sleep(0.01)
        assert await woken(ear)


async def test_who_left_is_forgotten() -> None:
    hub = Hub()
    with hub.listen("ticket:1", "session:4"):
        with hub.listen("ticket:1"):
            pass
        assert sorted(hub.listened("")) == ["session:4", "ticket:1"]
        assert hub.listened("session:") == ["session:4"]
    assert hub.listened("") == []


@pytest.mark.usefixtures("db")
async def test_a_sweep_wakes_the_readers_of_streams_that_moved(action: Action) -> None:
    hub = Hub()
    with hub.listen("ticket:1") as one, hub.listen("ticket:2") as other:
        for key in ("ticket:1", "ticket:2"):
            async with action.transaction() as tx:
                await tx.append(key, EventKind.STATUS_CHANGED)
        await hub.sweep()
        assert [await woken(one), await woken(other)] == [True, True]
        await hub.sweep()
        assert [await woken(one), await woken(other)] == [False, False]
        async with action.transaction() as tx:
            await tx.append("ticket:2", EventKind.STATUS_CHANGED)
        await hub.sweep()
        assert [await woken(one), await woken(other)] == [False, True]


@pytest.mark.usefixtures("db")
async def test_a_sweep_looks_at_more_streams_than_one_statement_takes(action: Action) -> None:
    hub, keys = Hub(), [f"ticket:{number}" for number in range(1_201)]
    async with action.transaction() as tx:
        await tx.append(keys[-1], EventKind.STATUS_CHANGED)
    with hub.listen(*keys[:-1]) as others, hub.listen(keys[-1]) as ear:
        await hub.sweep()
        assert [await woken(others), await woken(ear)] == [False, True]
