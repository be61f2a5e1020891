"""Following a stream of stored events from a cursor: the one way in which every live subscription is delivered.

A follower is a key and the number of the last event it delivered. It listens first and reads then, so that what commits in
between wakes it; it reads in steps of a hundred and hands out one event at a time, so a reader that is slow, or that comes
back after a day, holds a hundred rows and no queue. Whether the viewer may still look is asked before every step, and again
within a step once half a second went by or the session's end was announced: who was signed out, removed or suspended gets
nothing more. Reconnecting with the last number seen is the same code as the first connection, so a lost network, a killed
server and a restart all look alike.

A `Feed` is what a subscription's resolver returns: a stream, where to begin, and how access to it is asked. Iterating it
follows the stream alone (`follow`). The websocket reads those of many subscribers together instead (broadcast.py).
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Hashable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

from models.errors import AfterAhead, BadInput, Unauthenticated
from models.event import Event, head
from realtime.hub import Hub

STEP = 100
TRUSTED_SECONDS = 0.5

MaySee = Callable[[], Awaitable[None]]
Facts = dict[str, Any]


class Context(Protocol):
    """An operation's context, as far as delivery must know it."""

    def recorded(self) -> "tuple[Context, Facts]":
        """Such a context for work whose outcome others may get, and the facts of its owner that the work reads."""

    def fact(self, name: str) -> Any:
        """The value of one of these facts here."""


@dataclass(slots=True)
class Feed:
    """One viewer's look at a stream, behind the cursor `after` (None: what comes next).

    `session` stands for the sign-in and what it may do; `standing` tells which of some still count. `rule` raises where the
    viewer of a context may not look; it is the same for everyone who follows the stream.
    """

    hub: Hub
    stream: str
    after: int | None
    context: Any  # a Context
    session: Hashable | None
    standing: Callable[[Collection[Any]], Awaitable[set[Any]]]
    rule: Callable[[Any], Awaitable[None]]
    woken_by: str
    _alone: AsyncGenerator[Event, None] | None = field(default=None, repr=False)

    async def may_see(self) -> None:
        """Raises Unauthenticated once the session ended, or whatever the rule does."""
        if self.session is None or not await self.standing([self.session]):
            raise Unauthenticated
        await self.rule(self.context)

    async def start(self) -> int:
        """The cursor to begin with. Raises BadInput for one below 0, AfterAhead beyond the stream's head."""
        return await _start(self.stream, self.after)

    def __aiter__(self) -> AsyncGenerator[Event, None]:
        self._alone = follow(self.hub, self.stream, self.after, self.may_see, self.woken_by)
        return self._alone

    async def aclose(self) -> None:
        if self._alone:
            await self._alone.aclose()


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
