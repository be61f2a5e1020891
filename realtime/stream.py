"""Following a stream of stored events from a cursor: the one way in which every live subscription is delivered.

A follower is a key and the number of the last event it delivered. It listens first and reads then, so that what commits in
between wakes it; it reads in steps of a hundred and hands out one event at a time, so a reader that is slow, or that comes
back after a day, holds a hundred rows and no queue. Whether the viewer may still look is asked before every step, and again
within a step once half a second went by or the session's end was announced: who was signed out, removed or suspended gets
nothing more. Reconnecting with the last number seen is the same code as the first connection, so a lost network, a killed
server and a restart all look alike.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from time import monotonic

from models.errors import AfterAhead, BadInput
from models.event import Event, head
from realtime.hub import Hub

STEP = 100
TRUSTED_SECONDS = 0.5

MaySee = Callable[[], Awaitable[None]]


async def follow(hub: Hub, stream: str, after: int | None, may_see: MaySee, *woken_by: str) -> AsyncGenerator[Event, None]:
    """Every event of the stream behind `after`, in order, each once, then what comes: forever, or until `may_see` raises.

    `after` None starts with what comes next. Raises BadInput for a cursor below 0, AfterAhead beyond the stream's head.
    """
    with hub.listen(stream, *woken_by) as ear, hub.listen(*woken_by) as alarm:
        await may_see()
        cursor = await _start(stream, after)
        while True:
            checked = monotonic()
            events = await Event.since(stream, cursor, STEP)
            for event in events:
                if alarm.rang() or monotonic() - checked > TRUSTED_SECONDS:
                    await may_see()
                    checked = monotonic()
                yield event
                cursor = event.sequence
            if len(events) < STEP:
                await ear.wait()
            await may_see()


async def _start(stream: str, after: int | None) -> int:
    last = await head(stream)
    if after is None:
        return last
    if after < 0:
        raise BadInput("after", f"0..{last}")
    if after > last:
        raise AfterAhead("after", f"0..{last}")
    return after
