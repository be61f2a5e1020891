"""The door at which sign-ins wait, so that a flood of them does not hold up everything else this process does.

Five hundred that arrive together would each take a step in every turn of the event loop, and a chat's message needs several
turns. So one is inside at a time, who on two cores takes all in 10 to 15 s; the others wait without a step, and
when very many wait, the next is told to come back.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from models.errors import Throttled


class SignInQueue:
    """Lets `inside` in at once and `waiting` wait; the next is Throttled."""

    def __init__(self, inside: int = 1, waiting: int = 512) -> None:
        self._seats = asyncio.Semaphore(inside)
        self._room = inside + waiting
        self._come = 0

    def require_room(self) -> None:
        """Raises Throttled where one more could not wait: ask before the attempt is counted."""
        if self._come >= self._room:
            raise Throttled(1)

    @asynccontextmanager
    async def passed(self) -> AsyncIterator[None]:
        """Be inside. Raises Throttled."""
        self.require_room()
        self._come += 1
        try:
            async with self._seats:
                yield
        finally:
            self._come -= 1
