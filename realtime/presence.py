"""Typing: told to whoever looks, never stored, and forgotten by itself."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.clock import Clock
from realtime.hub import Ear, Hub
from realtime.stream import MaySee

LASTS = timedelta(seconds=6)
COALESCED_SECONDS = 0.3


@dataclass(frozen=True)
class Typing:
    """One person's state in one ticket: typing until `expires_at`, or no longer typing."""

    ticket_id: int
    user_id: int
    typing: bool
    expires_at: datetime


class Presence:
    """Who is typing where, in this process. Of one person only the latest state is kept."""

    def __init__(self, hub: Hub, clock: Clock) -> None:
        self._hub, self._clock = hub, clock
        self._latest: dict[int, dict[int, Typing]] = {}

    def typing(self, ticket_id: int, user_id: int, typing: bool) -> Typing:
        """Note that a person types, or stopped to, and wake who looks."""
        state = Typing(ticket_id, user_id, typing, self._clock.now() + (LASTS if typing else timedelta()))
        self._forget_expired()
        self._latest.setdefault(ticket_id, {})[user_id] = state
        self._hub.announce([key(ticket_id)])
        return state

    def _forget_expired(self) -> None:
        oldest = self._clock.now() - LASTS
        for ticket_id, states in list(self._latest.items()):
            kept = {user_id: state for user_id, state in states.items() if state.expires_at > oldest}
            self._latest[ticket_id] = kept
            if not kept:
                del self._latest[ticket_id]

    async def follow(self, ticket_id: int, but_user_id: int, may_see: MaySee) -> AsyncGenerator[Typing, None]:
        """The others' states as they change, at most a few times a second, and their expiry."""
        told: dict[int, Typing] = {}
        with self._hub.listen(key(ticket_id)) as ear:
            while True:
                await may_see()
                for state in self._news(ticket_id, but_user_id, told):
                    told[state.user_id] = state
                    yield state
                await self._next(ear, told)
                await asyncio.sleep(COALESCED_SECONDS)

    def _news(self, ticket_id: int, but_user_id: int, told: dict[int, Typing]) -> list[Typing]:
        states = self._latest.get(ticket_id, {})
        fresh = [state for user_id, state in states.items() if user_id != but_user_id and told.get(user_id) != state]
        expired = [
            Typing(ticket_id, state.user_id, False, state.expires_at)
            for state in told.values()
            if state.typing and state.expires_at <= self._clock.now() and states.get(state.user_id) in (None, state)
        ]
        return [state for state in fresh if not state.typing or state.expires_at > self._clock.now()] + expired

    async def _next(self, ear: Ear, told: dict[int, Typing]) -> None:
        """Sleep until woken, or until the first one told to be typing expires."""
        ends = [state.expires_at for state in told.values() if state.typing]
        seconds = max(0.0, (min(ends) - self._clock.now()).total_seconds()) if ends else None
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await ear.wait()


def key(ticket_id: int) -> str:
    """The hub's key for the typing in one ticket."""
    return f"typing:{ticket_id}"
