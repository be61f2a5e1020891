"""Decides who gets the next connection.

At most `size` may be in use at once. A person may use at most `share` of them, and those who wait
take turns by person, so someone who sends a hundred requests delays another person by one request.
Transactions may use at most `transactions` of them, because they can wait for locks: the others
stay free for statements that only read.
"""

import asyncio
from collections import deque

from models.errors import ServiceUnavailable

Admission = tuple[str | None, bool]  # the person, and whether it is for a transaction


class FairQueue:
    """The users of a limited number of connections. `wait` is how long one waits, in seconds."""

    def __init__(self, size: int, *, share: int, transactions: int, wait: float) -> None:
        self._size, self._share, self._transactions, self._wait = size, share, transactions, wait
        self._used = 0
        self.waiting = self.waits = self.refusals = 0  # now, so far, and those that ended in vain
        self.waited_seconds = 0.0
        self._used_by_transactions = 0
        self._used_by_person: dict[str, int] = {}
        # In the order of turns. A person's transactions wait apart from their reads, which may be
        # admitted earlier.
        self._waiting: dict[Admission, deque[asyncio.Future[None]]] = {}

    @property
    def size(self) -> int:
        """How many may use a connection at once."""
        return self._size

    @property
    def used(self) -> int:
        """How many use a connection now."""
        return self._used

    async def enter(self, person: str | None, *, transaction: bool) -> Admission:
        """Wait until a connection may be used. Return it with `leave`.

        Raises ServiceUnavailable.
        """
        admission = person, transaction
        if not self._admit(admission):
            await self._wait_for_admission(admission)
        return admission

    def leave(self, admission: Admission) -> None:
        """Let the next one use the connection."""
        person, transaction = admission
        self._used -= 1
        self._used_by_transactions -= transaction
        if person is not None:
            used = self._used_by_person.pop(person) - 1
            if used:
                self._used_by_person[person] = used
        if self._waiting:
            self._admit_waiting()

    def _admit(self, admission: Admission) -> bool:
        """Count an admission if it is allowed now. Returns whether it was."""
        person, transaction = admission
        if self._used >= self._size or (
            transaction and self._used_by_transactions >= self._transactions
        ):
            return False
        if person is not None:
            used = self._used_by_person.get(person, 0)
            if used >= self._share:
                return False
            self._used_by_person[person] = used + 1
        self._used += 1
        self._used_by_transactions += transaction
        return True

    async def _wait_for_admission(self, admission: Admission) -> None:
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._waiting.setdefault(admission, deque()).append(waiter)
        timer = loop.call_later(self._wait, self._refuse, admission, waiter)
        began_at = loop.time()
        self.waits += 1
        self.waiting += 1
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                self._forget(admission, waiter)
            elif not waiter.exception():
                self.leave(admission)  # admitted in the same moment
            raise
        finally:
            timer.cancel()
            self.waiting -= 1
            self.waited_seconds += loop.time() - began_at

    def _refuse(self, admission: Admission, waiter: asyncio.Future[None]) -> None:
        if not waiter.done():
            self._forget(admission, waiter)
            self.refusals += 1
            waiter.set_exception(ServiceUnavailable("no connection is free"))

    def _forget(self, admission: Admission, waiter: asyncio.Future[None]) -> None:
        line = self._waiting.get(admission, deque())
        if waiter in line:
            line.remove(waiter)
            if not line:
                del self._waiting[admission]

    def _admit_waiting(self) -> None:
        """Admit everyone who may enter now. Those who still wait afterwards may not enter, so
        nobody who comes later can overtake them. One freed connection is enough for one of each
        queue.
        """
        for admission in tuple(self._waiting):
            line = self._waiting[admission]
            while line and line[0].done():  # cancelled a moment ago
                line.popleft()
            if line and not self._admit(admission):
                continue
            del self._waiting[admission]
            if line:
                line.popleft().set_result(None)
            if line:
                self._waiting[admission] = line  # at the end: it is the others' turn
