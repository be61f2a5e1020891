"""The hub wakes readers. It carries no data and keeps no queue: a wake-up says "look again", however many events came.

A lost wake-up must only delay. So one task for the whole process compares the streams that somebody listens to with their
heads in the database every second (`sweep`), and wakes the readers of those that moved: in this process or in another.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from models.event import heads

SWEEP_SECONDS = 1.0
_SWEPT_AT_ONCE = 500


class Sleeper(Protocol):
    """Whoever wants to be woken: a reader's ear, or something that is called."""

    def wake(self) -> None: ...


class Ear:
    """One reader's place in the hub: awake or not."""

    def __init__(self) -> None:
        self._awake = asyncio.Event()

    def wake(self) -> None:
        self._awake.set()

    def rang(self) -> bool:
        """Whether it was woken since the last time it was asked or waited."""
        awake = self._awake.is_set()
        self._awake.clear()
        return awake

    async def wait(self) -> None:
        """Sleep until woken, and be ready to be woken again."""
        await self._awake.wait()
        self._awake.clear()


class Hub:
    """The wake-ups of one process. Implements `models.act.Bus`."""

    def __init__(self) -> None:
        self._ears: dict[str, set[Sleeper]] = {}
        self._heads: dict[str, int] = {}
        self._overhearing: list[Callable[[str], None]] = []

    @contextmanager
    def listen(self, *keys: str) -> Iterator[Ear]:
        """An ear for these keys. Listen first, then read the backlog: what commits in between wakes the ear."""
        ear = Ear()
        self.add(ear, *keys)
        try:
            yield ear
        finally:
            self.remove(ear, *keys)

    def add(self, sleeper: Sleeper, *keys: str) -> None:
        """Wake the sleeper with each of these keys, until it is removed."""
        for key in keys:
            self._ears.setdefault(key, set()).add(sleeper)

    def remove(self, sleeper: Sleeper, *keys: str) -> None:
        """Wake it no longer."""
        for key in keys:
            self._ears[key].discard(sleeper)
            if not self._ears[key]:
                del self._ears[key]
                self._heads.pop(key, None)

    def announce(self, streams: Iterable[str]) -> None:
        """Wake whoever listens to these keys. Called after the commit."""
        for key in streams:
            for heard in self._overhearing:
                heard(key)
            for ear in tuple(self._ears.get(key, ())):
                ear.wake()

    def overhear(self, heard: Callable[[str], None]) -> None:
        """Call `heard` with every key announced from now on, at once: for what must not outlive a change by a moment."""
        self._overhearing.append(heard)

    def listened(self, prefix: str) -> list[str]:
        """The keys that begin so and that somebody listens to."""
        return [key for key in self._ears if key.startswith(prefix)]

    async def sweep(self) -> None:
        """Wake the readers of streams whose head moved since the last sweep."""
        keys = list(self._ears)
        for start in range(0, len(keys), _SWEPT_AT_ONCE):
            found = await heads(keys[start : start + _SWEPT_AT_ONCE])
            self.announce(key for key, last in found.items() if self._moved(key, last))

    def _moved(self, key: str, last: int) -> bool:
        before, self._heads[key] = self._heads.get(key), last
        return before != last
