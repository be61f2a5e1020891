"""Who is typing: delivered to those who watch the ticket, never stored, and expires. And which
agents are connected (connected_agents.py).
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.clock import Clock
from realtime.connected_agents import ConnectedAgents
from realtime.hub import Hub

TYPING_LIFETIME = timedelta(seconds=6)
COALESCE_SECONDS = 0.3  # changes within this time are delivered together


@dataclass(frozen=True)
class Typing:
    """One person's state in one ticket: typing until `expires_at`, or no longer typing."""

    ticket_id: int
    user_id: int
    typing: bool
    expires_at: datetime

    def is_current(self, now: datetime) -> bool:
        """Whether the state has not expired, or has been overtaken by a clock that was set back."""
        return timedelta() < self.expires_at - now <= TYPING_LIFETIME


class Presence:
    """Who is typing in which ticket, as far as this process knows, and which agents are connected
    to it. Only the latest state of each person is kept.
    """

    def __init__(self, hub: Hub, clock: Clock) -> None:
        self._hub, self._clock = hub, clock
        self._latest: dict[int, dict[int, Typing]] = {}
        self.relay: Callable[[Typing], None] | None = None  # to the other processes
        self.agents = ConnectedAgents(hub, clock)

    def set_typing(self, ticket_id: int, user_id: int, typing: bool) -> Typing:
        """Record that a person is typing or has stopped typing, and notify those who watch the
        ticket, in all processes.
        """
        state = self.receive_typing(ticket_id, user_id, typing)
        if self.relay:
            self.relay(state)
        return state

    def receive_typing(self, ticket_id: int, user_id: int, typing: bool) -> Typing:
        """Record what this or another process was told, and notify those who watch the ticket in
        this process.
        """
        state = Typing(
            ticket_id,
            user_id,
            typing,
            self._clock.now() + (TYPING_LIFETIME if typing else timedelta()),
        )
        self._drop_expired()
        self._latest.setdefault(ticket_id, {})[user_id] = state
        self._hub.notify([typing_key(ticket_id)])
        return state

    def _drop_expired(self) -> None:
        oldest = self._clock.now() - TYPING_LIFETIME
        for ticket_id, states in list(self._latest.items()):
            current = {
                user_id: state for user_id, state in states.items() if state.expires_at > oldest
            }
            self._latest[ticket_id] = current
            if not current:
                del self._latest[ticket_id]

    async def watch(
        self, ticket_id: int, user_id: int, require_access: Callable[[], Awaitable[None]]
    ) -> AsyncGenerator[Typing, None]:
        """Other people's states as they change or expire, a few times a second at most, for the
        person `user_id`.

        Raises what `require_access` raises; it is called before each delivery.
        """
        delivered_states: dict[int, Typing] = {}
        with self._hub.listen(typing_key(ticket_id)) as change_event:
            while True:
                await require_access()
                for state in self._changes(ticket_id, user_id, delivered_states):
                    delivered_states[state.user_id] = state
                    yield state
                await self._wait(change_event, delivered_states)
                await asyncio.sleep(COALESCE_SECONDS)

    def _changes(
        self, ticket_id: int, user_id: int, delivered_states: dict[int, Typing]
    ) -> list[Typing]:
        now, states = self._clock.now(), self._latest.get(ticket_id, {})
        changed_states = [
            state
            for key, state in states.items()
            if key != user_id and delivered_states.get(key) != state
        ]
        expired_states = [
            Typing(ticket_id, state.user_id, False, state.expires_at)
            for state in delivered_states.values()
            if state.typing
            and not state.is_current(now)
            and states.get(state.user_id) in (None, state)
        ]
        return [
            state for state in changed_states if not state.typing or state.is_current(now)
        ] + expired_states

    async def _wait(self, change_event: asyncio.Event, delivered_states: dict[int, Typing]) -> None:
        """Wait until the flag is set or the first person delivered as typing expires."""
        expiry_times = [state.expires_at for state in delivered_states.values() if state.typing]
        seconds = (
            max(0.0, (min(expiry_times) - self._clock.now()).total_seconds())
            if expiry_times
            else None
        )
        if seconds is not None:  # the clock may be set back
            seconds = min(seconds, TYPING_LIFETIME.total_seconds())
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await change_event.wait()
                change_event.clear()


def typing_key(ticket_id: int) -> str:
    """The hub's key for typing in one ticket."""
    return f"typing:{ticket_id}"
