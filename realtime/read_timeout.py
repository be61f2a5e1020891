"""A timeout for what a client sends, which counts only the time in which this process could have
read it.

A busy event loop reads late. A timer that is simply due would fire before the loop gets to what has
arrived long ago, because timers come first, and clients would be blamed for our delay: when 3,000
websockets were opened at once, 1,900 of them were closed with 4408. So the time is counted in
steps, and a step whose timer was late is repeated.
"""

import asyncio
from collections.abc import Callable

STEPS = 5
TOLERANCE = 0.5  # of a step, by which its timer may be late


class ReadTimeout:
    """Calls `on_timeout` after this many seconds, unless it is cancelled."""

    def __init__(self, seconds: float, on_timeout: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_timeout = on_timeout
        self._step_seconds = seconds / STEPS
        self._remaining_steps = STEPS
        self._start_step()

    def _start_step(self) -> None:
        self._due = self._loop.time() + self._step_seconds
        self._timer = self._loop.call_at(self._due, self._end_step)

    def _end_step(self) -> None:
        if self._loop.time() - self._due <= TOLERANCE * self._step_seconds:
            self._remaining_steps -= 1
        if self._remaining_steps:
            self._start_step()
        else:
            self._on_timeout()

    def cancel(self) -> None:
        """Stop counting."""
        self._timer.cancel()
