"""Repeats work while the database, or whatever else it needs, is unavailable.

A client can't do anything about an outage, and standard clients give up after a few attempts to
reconnect. So a websocket stays open: what needs the database is repeated until it works, and
continues where it stopped. Only after OUTAGE_SECONDS, or for a new connection after
`SocketLimits.identify_timeout`, is the websocket closed, with a code that makes clients reconnect.

Queries and mutations are not repeated: their clients get the error with its code, and decide.
"""

import asyncio
from collections.abc import Awaitable, Callable
from random import uniform
from time import monotonic
from typing import Any, TypeVar

from engine import TIMEOUT
from models.database.failures import log_unavailable
from models.errors import ServiceUnavailable

OUTAGE_SECONDS = 300.0  # how long an operation waits for the end of an outage
_FIRST_DELAY, _LONGEST_DELAY = 0.1, 3.0  # seconds between attempts
_CODES = {ServiceUnavailable.code, TIMEOUT}

Result = TypeVar("Result")


async def retry_during_outage(
    work: Callable[[], Awaitable[Result]], seconds: float = OUTAGE_SECONDS
) -> Result:
    """The result of some work, which is repeated while it raises ServiceUnavailable. Raises it
    after this many seconds.
    """
    give_up_at, delay = monotonic() + seconds, _FIRST_DELAY
    while True:
        try:
            return await work()
        except ServiceUnavailable as error:
            log_unavailable(error)
            if monotonic() > give_up_at:
                raise
        await asyncio.sleep(uniform(delay / 2, delay))  # noqa: S311 - no secret
        delay = min(delay * 2, _LONGEST_DELAY)


def require_available(errors: list[dict[str, Any]] | None) -> None:
    """Raise ServiceUnavailable when one of these errors of a response says so, or says that the
    operation took too long: executing it again later can succeed.
    """
    for error in errors or ():
        if error.get("extensions", {}).get("code") in _CODES:
            raise ServiceUnavailable("an event couldn't be executed")
