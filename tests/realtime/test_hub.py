"""The hub notifies those who listen, forgets those who have stopped, and detects changes that were
not announced.
"""

import asyncio

import pytest

from models.action import Action
from models.event import EventKind, ticket_stream
from models.operations.installation import Installation
from realtime.hub import EPOCH, Hub

ONE, OTHER = ticket_stream(1), ticket_stream(2)


def take_notifications(*flags: asyncio.Event) -> list[bool]:
    """Which of these flags have been set since the last call."""
    notifications = [flag.is_set() for flag in flags]
    for flag in flags:
        flag.clear()
    return notifications


async def test_only_listeners_of_the_key_are_notified() -> None:
    hub = Hub()
    with hub.listen(ONE, "session:4") as one, hub.listen(OTHER) as other:
        hub.announce([ONE])
        assert take_notifications(one, other) == [True, False]
        hub.announce(["session:4", "nobody:1"])
        assert take_notifications(one, other) == [True, False]
        hub.announce([ONE, OTHER])
        assert take_notifications(one, other) == [True, True]


async def test_listeners_are_removed_when_they_stop() -> None:
    hub = Hub()
    with hub.listen(ONE, "session:4"):
        with hub.listen(ONE):
            pass
        assert sorted(hub.keys()) == ["session:4", ONE]
        assert hub.keys("session:") == ["session:4"]
    assert hub.keys() == []


async def test_an_observer_is_notified_of_every_key() -> None:
    hub, keys = Hub(), list[str]()
    hub.add_observer(keys.append)
    with hub.listen(ONE):
        hub.announce([ONE, "session:4"])
    assert keys == [ONE, "session:4"]


@pytest.mark.usefixtures("db")
async def test_a_sweep_notifies_the_listeners_of_streams_that_have_moved(action: Action) -> None:
    hub = Hub()
    with hub.listen(ONE) as one, hub.listen(OTHER) as other:
        for key in (ONE, OTHER):
            async with action.transaction() as tx:
                await tx.append(key, EventKind.STATUS_CHANGED)
        await hub.sweep()
        assert take_notifications(one, other) == [True, True]
        await hub.sweep()
        assert take_notifications(one, other) == [False, False]
        async with action.transaction() as tx:
            await tx.append(OTHER, EventKind.STATUS_CHANGED)
        await hub.sweep()
        assert take_notifications(one, other) == [False, True]


@pytest.mark.usefixtures("db")
async def test_a_sweep_compares_any_number_of_streams(action: Action) -> None:
    hub, keys = Hub(), [ticket_stream(number) for number in range(1_201)]
    async with action.transaction() as tx:
        await tx.append(keys[-1], EventKind.STATUS_CHANGED)
    with hub.listen(*keys[:-1]) as others, hub.listen(keys[-1]) as last:
        await hub.sweep()
        assert take_notifications(others, last) == [False, True]


@pytest.mark.usefixtures("db")
async def test_a_sweep_notifies_of_another_epoch(action: Action) -> None:
    hub, keys = Hub(), list[str]()
    hub.add_observer(keys.append)
    for _ in range(2):
        await hub.sweep()
    first = await Installation.stream_epoch()
    assert (hub.epoch, keys) == (first, [])
    await Installation.hold(action)
    await hub.sweep()
    assert (hub.epoch, keys) == (await Installation.stream_epoch(), [EPOCH])
    assert hub.epoch != first
    await Installation.release(action)
    await hub.sweep()
    assert keys == [EPOCH]
