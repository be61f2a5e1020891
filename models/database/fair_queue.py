"""Decides who gets the next connection.

At most `size` may be in use at once. A person may use at most `share` of them, and those who wait
take turns by person, so one who sends a hundred requests delays another one by one request.
Transactions may use at most `transactions` of them, because they can wait for locks: the others
stay free for statements that only read.
"""

import asyncio
from collections import Counter, deque

from models.errors import ServiceUnavailable

Admission = tuple[str | None, bool]  # the person, and whether it is for a transaction


class FairQueue:
    """The users of a limited number of connections. `wait` is how long one waits, in seconds."""

    def __init__(self, size: int, *, share: int, transactions: int, wait: float) -> None:
        self._size, self._share, self._transactions, self._wait = size, share, transactions, wait
        self._used = 0
        self._used_by_transactions = 0
        self._used_by_person: Counter[str] = Counter()
        # In the order of turns. A person's transactions wait apart from their reads, which may be
        # admitted earlier.
        self._waiting: dict[Admission, deque[asyncio.Future[None]]] = {}

    async def enter(self, person: str | None, *, transaction: bool) -> Admission:
        """Wait until a connection may be used. Give it back with `leave`. Raises
        ServiceUnavailable.
        """
        admission = person, transaction
        if self._can_admit(admission):
            self._count_admission(admission)
        else:
            await self._wait_for_admission(admission)
        return admission

    def leave(self, admission: Admission) -> None:
        """Let the next one use the connection."""
        person, transaction = admission
        self._used -= 1
        self._used_by_transactions -= transaction
        if person is not None:
            self._used_by_person[person] -= 1
            if not self._used_by_person[person]:
                del self._used_by_person[person]
        if self._waiting:
            self._admit_waiting()

    def _can_admit(self, admission: Admission) -> bool:
        person, transaction = admission
        return (
            self._used < self._size
            and (person is None or self._used_by_person[person] < self._share)
            and (not transaction or self._used_by_transactions < self._transactions)
        )

    def _count_admission(self, admission: Admission) -> None:
        person, transaction = admission
        self._used += 1
        self._used_by_transactions += transaction
        if person is not None:
            self._used_by_person[person] += 1

    async def _wait_for_admission(self, admission: Admission) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(admission, deque()).append(waiter)
        try:
            async with asyncio.timeout(self._wait):
                await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                self.leave(admission)  # admitted in the same moment
            else:
                self._forget(admission, waiter)
            if isinstance(error, TimeoutError):
                raise ServiceUnavailable("no connection is free") from None
            raise

    def _forget(self, admission: Admission, waiter: asyncio.Future[None]) -> None:
        line = self._waiting.get(admission, deque())
        if waiter in line:
            line.remove(waiter)
            if not line:
                del self._waiting[admission]

    def _admit_waiting(self) -> None:
        """Admit everyone who may enter now. Everyone who still waits afterwards may not, so nobody
        who comes later can pass them by entering at once.
        """
        while admission := next(filter(self._can_admit, self._waiting), None):
            line = self._waiting.pop(admission)
            waiter = line.popleft()
            if line:
                self._waiting[admission] = line  # at the end: it is the others' turn
            if not waiter.done():
                self._count_admission(admission)
                waiter.set_result(None)
