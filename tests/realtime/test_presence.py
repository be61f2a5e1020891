"""Typing: the others hear of it, a few times a second at most, it ends by itself, and nothing of it is stored."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from models.errors import NotFound
from models.event import Event, Stream
from realtime import presence as room
from realtime.hub import Hub
from realtime.presence import LASTS, Presence, Typing

if TYPE_CHECKING:
    from tests.conftest import MovableClock

PAUL, ALICE, TICKET = 1, 2, 7


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def presence(hub: Hub, clock: "MovableClock", monkeypatch: pytest.MonkeyPatch) -> Presence:
    monkeypatch.setattr(room, "COALESCED_SECONDS", 0.05)
    return Presence(hub, clock)


async def anybody() -> None:
    """Lets everybody look."""


@pytest.fixture
async def seen_by_alice(presence: Presence) -> AsyncIterator[AsyncGenerator[Typing, None]]:
    async with aclosing(presence.follow(TICKET, ALICE, anybody)) as following:
        yield following


async def upcoming(following: AsyncGenerator[Typing, None]) -> Typing:
    return await asyncio.wait_for(anext(following), 2)


async def test_the_others_hear_who_types_and_who_stopped(
    presence: Presence, seen_by_alice: AsyncGenerator[Typing, None], clock: "MovableClock"
) -> None:
    presence.typing(TICKET, PAUL, True)
    assert await upcoming(seen_by_alice) == Typing(TICKET, PAUL, True, clock.now() + LASTS)
    presence.typing(TICKET, PAUL, False)
    assert await upcoming(seen_by_alice) == Typing(TICKET, PAUL, False, clock.now())


async def test_nobody_hears_of_themselves_or_of_another_ticket(
    presence: Presence, seen_by_alice: AsyncGenerator[Typing, None]
) -> None:
    presence.typing(TICKET, ALICE, True)
    presence.typing(TICKET + 1, PAUL, True)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(seen_by_alice), 0.2)


async def test_a_hundred_keystrokes_are_one_event(
    presence: Presence, seen_by_alice: AsyncGenerator[Typing, None], clock: "MovableClock"
) -> None:
    presence.typing(TICKET, PAUL, True)
    await upcoming(seen_by_alice)
    for _ in range(100):
        clock.advance(timedelta(milliseconds=10))
        presence.typing(TICKET, PAUL, True)
    assert (await upcoming(seen_by_alice)).expires_at == clock.now() + LASTS
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(seen_by_alice), 0.2)


async def test_it_ends_by_itself(
    presence: Presence, seen_by_alice: AsyncGenerator[Typing, None], clock: "MovableClock", hub: Hub
) -> None:
    presence.typing(TICKET, PAUL, True)
    await upcoming(seen_by_alice)
    waiting = asyncio.create_task(upcoming(seen_by_alice))
    await asyncio.sleep(0.1)
    clock.advance(LASTS)
    hub.announce([room.key(TICKET)])
    assert not (await waiting).typing


async def test_its_end_needs_no_wake_up(presence: Presence, clock: "MovableClock", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LASTS", timedelta(milliseconds=100))
    async with aclosing(presence.follow(TICKET, ALICE, anybody)) as following:
        presence.typing(TICKET, PAUL, True)
        assert (await upcoming(following)).typing
        clock.advance(timedelta(milliseconds=100))
        assert not (await upcoming(following)).typing


async def test_who_comes_later_hears_of_the_present_only(presence: Presence, clock: "MovableClock") -> None:
    presence.typing(TICKET, PAUL, True)
    clock.advance(LASTS)
    presence.typing(TICKET, PAUL + 10, True)
    async with aclosing(presence.follow(TICKET, ALICE, anybody)) as following:
        assert (await upcoming(following)).user_id == PAUL + 10


async def test_what_expired_is_not_kept(presence: Presence, clock: "MovableClock") -> None:
    for ticket in range(100):
        presence.typing(ticket, PAUL, True)
    clock.advance(2 * LASTS)
    presence.typing(TICKET, PAUL, True)
    assert list(presence._latest) == [TICKET]


async def test_who_may_no_longer_look_hears_nothing(presence: Presence, hub: Hub) -> None:
    granted = True

    async def may_see() -> None:
        if not granted:
            raise NotFound

    following = presence.follow(TICKET, ALICE, may_see)
    waiting = asyncio.create_task(upcoming(following))
    await asyncio.sleep(0.05)
    granted = False
    presence.typing(TICKET, PAUL, True)
    with pytest.raises(NotFound):
        await waiting
    assert hub.listened("") == []


@pytest.mark.usefixtures("db")
async def test_nothing_is_stored(presence: Presence) -> None:
    presence.typing(TICKET, PAUL, True)
    assert [await Event.all().count(), await Stream.all().count()] == [0, 0]
