"""Turns of the event loop, so that many who ask at once hold nobody up who asked before."""

import asyncio
from collections import deque


class Turns:
    """Lets one go on in each turn of the event loop; the others wait for the next turns, in the order in which they came.

    Five hundred requests that arrive together would else all be worked on in one turn, for 60 to 100 ms, and whoever talks
    in a chat would wait for the end of it. Now what needs ten turns takes ten requests' time longer.
    """

    def __init__(self) -> None:
        self._taken = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def mine(self) -> None:
        """Wait for a turn; at once where nobody has had this one."""
        loop = asyncio.get_running_loop()
        if not self._taken:
            self._taken = True
            loop.call_soon(self._next)
            return
        turn = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # who was cancelled takes nobody's
                turn.set_result(None)
                asyncio.get_running_loop().call_soon(self._next)
                return
        self._taken = False
