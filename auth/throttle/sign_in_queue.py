"""The queue of sign-ins, so that a flood of them doesn't delay everything else that this process
does.

Five hundred concurrent sign-ins would each take a step in every iteration of the event loop, and a
chat message needs several iterations. So one sign-in is processed at a time; on two cores, five
hundred take 10 to 15 s. The others wait without taking steps, and when too many are waiting,
further ones are asked to try again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from models.errors import Throttled


class SignInQueue:
    """Processes `concurrency` sign-ins at a time while up to `max_waiting` wait. Raises Throttled
    for further ones.
    """

    def __init__(self, concurrency: int = 1, max_waiting: int = 512) -> None:
        self._semaphore = asyncio.Semaphore(concurrency)
        self._capacity = concurrency + max_waiting
        self._size = 0

    def require_capacity(self) -> None:
        """Raise Throttled when the queue is full. Call this before the attempt is counted."""
        if self._size >= self._capacity:
            raise Throttled(1)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it. Raises Throttled when the queue is full."""
        self.require_capacity()
        self._size += 1
        try:
            async with self._semaphore:
                yield
        finally:
            self._size -= 1
