"""Reading a stream of stored events from a cursor: the one way in which every live subscription is
delivered.

A reader is a stream's key and the number of the last event it delivered, its cursor. It listens to
the hub before it reads, so an event that commits in between notifies it. It reads pages of a
hundred events and delivers one event at a time, so a client that is slow, or that comes back after
a day, costs a hundred rows and no queue. Whether the viewer may still read the stream is checked
before every page, and again before an event once half a second has passed or the session may have
ended: a user who was signed out, removed or suspended receives nothing more. A client that resumes
from the last number it saw runs the same code as at its first connection, so a lost network, a
killed server and a restart all look alike.
"""

from collections.abc import Awaitable, Callable, Collection, Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn, Protocol

from models.errors import BadInput, CursorAhead, StreamReset, Unauthenticated
from models.event import has_event, last_sequence_of
from models.operations.installation import Installation
from models.translations import _
from realtime.delivered_positions import DeliveredPositions, Receiver
from realtime.hub import Hub

PAGE_SIZE = 100  # events read by one query
ACCESS_SECONDS = 0.5  # how long the result of an access check is relied upon

Dependencies = dict[str, Any]  # what shared work reads about its viewer, by name


class Context(Protocol):
    """An operation's context, as far as delivery needs it."""

    def recording_context(self) -> "tuple[Context, Dependencies]":
        """A context for work whose result may be shared, and the values that the work reads
        about its viewer.
        """

    def now(self) -> datetime:
        """The time, by the clock that dates events."""

    def dependency_value(self, name: str) -> Any:
        """One of these values in this context."""


@dataclass(slots=True)
class EventStream:
    """A stream of stored events as one viewer may read it, after the cursor `after` or, when it is
    None, from now on. `epoch` is that of the cursor, when the client knows it.

    `session` identifies the sign-in and the role it acts in; `valid_sessions` returns those of
    several that are still valid. `check_access` raises when the viewer of a context may not read
    the stream; it is the same rule for all viewers. `delivered` collects how far the `receiver` has
    received the stream; both are set or neither is.
    """

    hub: Hub
    key: str
    after: int | None
    context: Any  # a Context
    session: Hashable | None
    valid_sessions: Callable[[Collection[Any]], Awaitable[set[Any]]]
    check_access: Callable[[Any], Awaitable[None]]
    epoch: str | None = None
    receiver: Receiver | None = None
    delivered: DeliveredPositions | None = None

    async def require_access(self) -> None:
        """Raise Unauthenticated when the session has ended, or what `check_access` raises."""
        if self.session is None or not await self.valid_sessions([self.session]):
            raise Unauthenticated
        await self.check_access(self.context)

    async def first_cursor(self) -> int:
        """The cursor to start from. Raises BadInput when it is below 0, CursorAhead when it is
        beyond the stream's head, StreamReset when it is of another epoch,
        or the events after it were deleted (operations/retention.py).
        """
        self.hub.epoch = await Installation.stream_epoch()
        if self.epoch not in (None, self.hub.epoch):
            raise StreamReset
        last_sequence = await last_sequence_of(self.key)
        if self.after is None:
            return last_sequence
        if self.after < 0:
            raise BadInput("after", _("“%(argument)s” can’t be negative."))
        if self.after > last_sequence:
            raise CursorAhead
        if self.after < last_sequence and not await has_event(self.key, self.after + 1):
            raise StreamReset
        return self.after

    def __aiter__(self) -> NoReturn:
        """Exists because graphql-core accepts no source without it; the events are read by a
        Subscription (broadcast.py).
        """
        raise TypeError("an EventStream can't be iterated")
