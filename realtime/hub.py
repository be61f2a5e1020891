"""Notifies listeners in this process that something has happened under a key: that of an event
stream or of a session.

A notification carries no data and is never queued: it says "look again", however many events there
were.

Several processes notify each other through a relay (relay.py), if there is one.

A lost notification must only cause a delay. So once a second, one task for the whole process
compares the streams that have listeners with their heads in the database (`sweep`), and notifies
the listeners of those that have moved, whether this process or another one wrote the events.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from models.event import last_sequences_of
from models.operations.installation import Installation

SWEEP_SECONDS = 1.0
EPOCH = "epoch"  # the key under which another epoch of the streams is notified
_SWEEP_BATCH = 500  # streams compared by one query

Listener = Callable[[], None]


class Hub:
    """The notifications of one process. Implements `models.action.Bus`."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[Listener]] = {}
        self._heads: dict[str, int] = {}
        self._observers: list[Callable[[str], None]] = []
        self.epoch: str | None = None  # of the streams, when it was last read
        self.relay: Callable[[tuple[str, ...]], None] | None = None  # to the other processes

    @contextmanager
    def listen(self, *keys: str) -> Iterator[asyncio.Event]:
        """A flag that is set by every announcement of these keys. Listen before you read, so that
        nothing is missed in between.
        """
        flag = asyncio.Event()
        self.add_listener(flag.set, *keys)
        try:
            yield flag
        finally:
            self.remove_listener(flag.set, *keys)

    def add_listener(self, listener: Listener, *keys: str) -> None:
        """Call the listener at every announcement of these keys until it is removed. It must return
        at once.
        """
        for key in keys:
            self._listeners.setdefault(key, set()).add(listener)

    def remove_listener(self, listener: Listener, *keys: str) -> None:
        """Stop calling the listener for these keys."""
        for key in keys:
            self._listeners[key].discard(listener)
            if not self._listeners[key]:
                del self._listeners[key]
                self._heads.pop(key, None)

    def announce(self, keys: Iterable[str]) -> None:
        """Call the listeners of these keys, in all processes. Announce a change only after it has
        been committed.
        """
        keys = tuple(keys)
        self.notify(keys)
        if self.relay and keys:
            self.relay(keys)

    def notify(self, keys: Iterable[str]) -> None:
        """Call the listeners of these keys, in this process."""
        for key in keys:
            for observer in self._observers:
                observer(key)
            for listener in tuple(self._listeners.get(key, ())):
                listener()

    def add_observer(self, observer: Callable[[str], None]) -> None:
        """Call the observer with every key that is notified from now on: for caches that must not
        outlive a change.
        """
        self._observers.append(observer)

    def keys(self, prefix: str = "") -> list[str]:
        """The keys with this prefix that have listeners."""
        return [key for key in self._listeners if key.startswith(prefix)]

    async def sweep(self) -> None:
        """Announce the streams whose head has moved since the last sweep, and a change of the
        epoch.
        """
        previous_epoch, self.epoch = self.epoch, await Installation.stream_epoch()
        if previous_epoch not in (None, self.epoch):
            self.notify([EPOCH])
        keys = self.keys()
        for start in range(0, len(keys), _SWEEP_BATCH):
            current = await last_sequences_of(keys[start : start + _SWEEP_BATCH])
            self.notify(key for key, head in current.items() if self._set_head(key, head))

    def _set_head(self, key: str, head: int) -> bool:
        previous, self._heads[key] = self._heads.get(key), head
        return previous != head
