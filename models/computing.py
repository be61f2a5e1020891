"""Computing in a thread without delaying the event loop."""

import asyncio
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_DEFAULT_SECONDS = sys.getswitchinterval()
_SWITCH_SECONDS = 0.0005
_running = 0  # computations in threads


async def compute(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a function that computes for long, run in a thread.

    Each time that the event loop waits for something, a thread that computes goes on for as long as
    the interpreter lets it: by default 5 ms, several times for each request. So it switches more
    often meanwhile; doing so always would slow down everything else that has threads.
    """
    global _running
    if not _running:
        sys.setswitchinterval(_SWITCH_SECONDS)
    _running += 1
    try:
        return await asyncio.to_thread(function, *args, **kwargs)
    finally:
        _running -= 1
        if not _running:
            sys.setswitchinterval(_DEFAULT_SECONDS)
