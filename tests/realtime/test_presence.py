"""Typing: other people see it, a few times a second at most; it expires, and it is never stored."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from models.errors import NotFound
from models.event import Event, Stream
from realtime import presence as module
from realtime.hub import Hub
from realtime.presence import TYPING_LIFETIME, Presence, Typing, typing_key
from tests.waiting import MAX_WAIT

if TYPE_CHECKING:
    from tests.conftest import MovableClock

PAUL, ALICE, JO, TICKET = 1, 2, 3, 7

Changes = AsyncGenerator[Typing, None]


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def presence(hub: Hub, clock: "MovableClock", monkeypatch: pytest.MonkeyPatch) -> Presence:
    monkeypatch.setattr(module, "COALESCE_SECONDS", 0.01)
    return Presence(hub, clock)


async def allow_access() -> None:
    """Everyone has access."""


@pytest.fixture
async def alices_changes(presence: Presence) -> AsyncIterator[Changes]:
    async with aclosing(presence.watch(TICKET, ALICE, allow_access)) as changes:
        yield changes


async def next_change(changes: Changes) -> Typing:
    async with asyncio.timeout(MAX_WAIT):
        return await anext(changes)


async def start_waiting(hub: Hub, changes: Changes) -> "asyncio.Task[Typing]":
    """A task that waits for the next change, once it listens."""
    task = asyncio.create_task(next_change(changes))
    while not hub.keys(typing_key(TICKET)):
        await asyncio.sleep(0)
    return task


async def test_other_viewers_see_who_starts_and_stops_typing(
    presence: Presence, alices_changes: Changes, clock: "MovableClock"
) -> None:
    presence.set_typing(TICKET, PAUL, True)
    assert await next_change(alices_changes) == Typing(
        TICKET, PAUL, True, clock.now() + TYPING_LIFETIME
    )
    presence.set_typing(TICKET, PAUL, False)
    assert await next_change(alices_changes) == Typing(TICKET, PAUL, False, clock.now())


async def test_viewers_do_not_see_themselves_or_other_tickets(
    presence: Presence, alices_changes: Changes
) -> None:
    presence.set_typing(TICKET, ALICE, True)
    presence.set_typing(TICKET + 1, PAUL, True)
    presence.set_typing(TICKET, JO, True)
    assert (await next_change(alices_changes)).user_id == JO
    presence.set_typing(TICKET, ALICE, False)
    presence.set_typing(TICKET + 1, PAUL, False)
    presence.set_typing(TICKET, JO, False)
    assert (await next_change(alices_changes)).user_id == JO


async def test_a_hundred_keystrokes_are_delivered_as_one_change(
    presence: Presence, alices_changes: Changes, clock: "MovableClock"
) -> None:
    presence.set_typing(TICKET, PAUL, True)
    await next_change(alices_changes)
    for _ in range(100):
        clock.advance(timedelta(milliseconds=10))
        presence.set_typing(TICKET, PAUL, True)
    assert (await next_change(alices_changes)).expires_at == clock.now() + TYPING_LIFETIME
    presence.set_typing(TICKET, JO, True)
    assert (await next_change(alices_changes)).user_id == JO


async def test_typing_expires(
    presence: Presence, alices_changes: Changes, clock: "MovableClock", hub: Hub
) -> None:
    presence.set_typing(TICKET, PAUL, True)
    await next_change(alices_changes)
    clock.advance(TYPING_LIFETIME)
    hub.announce([typing_key(TICKET)])
    assert not (await next_change(alices_changes)).typing


async def test_typing_expires_without_an_announcement(
    presence: Presence,
    alices_changes: Changes,
    clock: "MovableClock",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lifetime = timedelta(milliseconds=100)
    monkeypatch.setattr(module, "TYPING_LIFETIME", lifetime)
    presence.set_typing(TICKET, PAUL, True)
    assert (await next_change(alices_changes)).typing
    clock.advance(lifetime)
    assert not (await next_change(alices_changes)).typing


async def test_a_new_subscriber_sees_who_is_typing(
    presence: Presence, alices_changes: Changes, clock: "MovableClock"
) -> None:
    presence.set_typing(TICKET, PAUL, True)
    clock.advance(TYPING_LIFETIME)
    presence.set_typing(TICKET, JO, True)
    assert (await next_change(alices_changes)).user_id == JO


async def test_expired_states_are_not_kept(presence: Presence, clock: "MovableClock") -> None:
    for ticket in range(100):
        presence.set_typing(ticket, PAUL, True)
    clock.advance(2 * TYPING_LIFETIME)
    presence.set_typing(TICKET, PAUL, True)
    assert list(presence._latest) == [TICKET]


async def test_a_viewer_who_loses_access_gets_no_more_changes(presence: Presence, hub: Hub) -> None:
    has_access = True

    async def require_access() -> None:
        if not has_access:
            raise NotFound

    task = await start_waiting(hub, presence.watch(TICKET, ALICE, require_access))
    has_access = False
    presence.set_typing(TICKET, PAUL, True)
    with pytest.raises(NotFound):
        await task
    assert hub.keys() == []


@pytest.mark.usefixtures("db")
async def test_nothing_is_stored(presence: Presence) -> None:
    presence.set_typing(TICKET, PAUL, True)
    assert [await Event.all().count(), await Stream.all().count()] == [0, 0]
