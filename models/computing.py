"""Computing in a thread without delaying the event loop."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_DEFAULT_SECONDS = sys.getswitchinterval()
_SWITCH_SECONDS = 0.0005
_lock = Lock()
_running = 0  # threads that compute


async def compute(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a function that computes for long, run in a thread.

    Each time that the event loop waits for something, a thread that computes goes on for as long as
    the interpreter lets it: by default 5 ms, several times for each request. So it switches more
    often meanwhile; doing so always would slow down everything else that has threads.
    """

    def run() -> T:
        with _frequent_switches():
            return function(*args, **kwargs)

    return await asyncio.to_thread(run)


@contextmanager
def _frequent_switches() -> Iterator[None]:
    """Let threads take turns more often until the last one ends, also when its caller was
    cancelled.
    """
    _count(1)
    try:
        yield
    finally:
        _count(-1)


def _count(change: int) -> None:
    global _running
    with _lock:
        _running += change
        sys.setswitchinterval(_SWITCH_SECONDS if _running else _DEFAULT_SECONDS)
