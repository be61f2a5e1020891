"""Telling many subscribers of one event: executed once for all who may see the same, made bytes once, and written.

Followers of one stream who ask the same of its events (`engine.sharing_key`) form a channel. Nearly always all of them are
*ready*: they have been told everything up to the channel's head. Ready followers have no task and no queue. One reader for the
channel sleeps in the hub; woken, it reads the events behind the head, executes each, and writes the frame straight to each
socket. Executing an event records which facts of the viewer were read (models/viewer.py), and its result is handed to all
followers who agree in these facts; then it is executed for the first of those left over, until nobody is.

Whoever can't be told in passing is *released*: the peer reads too slowly to take the frame at once, or another message to it
is on its way; access is gone, or in doubt; the result holds errors, which are never shared. A released follower is told alone,
in a task of its own, from its own cursor, with backpressure and its own checks of access, as if there were no channel; so a
slow socket delays nobody, and whatever is wrong is said in its own words. Once it has read to the stream's end it joins again.

**No gap and nothing twice** follows from three rules, each kept in one step without an await:
1. The head moves to an event before the event is executed, together with noting who was ready.
2. A follower joins only if its cursor is not behind the head. Events behind the head it reads by itself: it can, because the
   reader has seen them, and numbers become visible in their order (models/event.py). All later ones the reader brings.
3. A frame is written only to a follower that is ready and stands right before the event; its cursor moves with the write.
   So who left, was released or went ahead in the meantime is passed over.
The reader listens from before anybody joins. An event that commits after a follower's last look wakes it; when nobody was
ready it slept on, so whoever joins an empty channel wakes it once.

**Access** is checked in bulk before writing, if the last check began more than half a second ago: all sessions in one
statement, the stream's own rule once for each set of facts. When a session's end is announced, its socket takes no frame from
that moment (connection.py).

A channel is for one document, not for all of a stream: a slow document then delays its own followers only, and there are few.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Hashable, Sequence
from time import monotonic
from typing import Any, Protocol

from engine import Engine, Operation, encode_json, sharing_key
from models.event import Event
from realtime.hub import Ear
from realtime.messages import next_of
from realtime.stream import STEP, TRUSTED_SECONDS, Facts, Feed
from realtime.uvicorn_protocol import framed

log = logging.getLogger(__name__)

TURN = 100  # frames written before others get their turn


class Outlet(Protocol):
    """The socket of a follower."""

    doubted: bool  # its session may have ended

    def put(self, frame: bytes) -> bool:
        """Writes a whole frame at once, or tells that it can't."""

    def release(self, follower: "Follower") -> None:
        """Tell this follower alone from now on, until it can join again."""


class Follower:
    """One subscription: what it follows, the number of the last event it was told, and where to tell."""

    __slots__ = ("channel", "checked", "cursor", "feed", "key", "outlet", "task")

    def __init__(self, channel: "Channel", feed: Feed, key: str, outlet: Outlet) -> None:
        self.channel, self.feed, self.key, self.outlet = channel, feed, key, outlet
        self.cursor = 0
        self.checked = 0.0
        self.task: asyncio.Task[None] | None = None  # which tells it alone; None when it is ready

    def alone_in(self, task: asyncio.Task[None]) -> None:
        """Told by this task from now on. Unless it has joined, it leaves with the task, which may be cancelled unrun."""
        self.task = task
        task.add_done_callback(self._abandoned)

    def _abandoned(self, task: asyncio.Task[None]) -> None:
        if self.task is task:
            self.leave()

    @property
    def operation(self) -> Operation:
        return self.channel.operation

    async def start(self) -> None:
        """Find the first cursor. Raises what the feed does: no access, or a cursor that is none."""
        await self._admitted()
        self.cursor = await self.feed.start()

    async def unseen(self) -> AsyncGenerator[Event, None]:
        """The events behind the cursor, which moves once the next is asked for; up to the stream's end."""
        while True:
            await self._admitted()
            events = await Event.since(self.feed.stream, self.cursor, STEP)
            for event in events:
                await self._admitted()
                yield event
                self.cursor = event.sequence
            if len(events) < STEP:
                return

    async def _admitted(self) -> None:
        if self.outlet.doubted or monotonic() - self.checked > TRUSTED_SECONDS:
            started = monotonic()
            await self.feed.may_see()
            self.checked = started

    def join(self) -> None:
        """Become ready, and need no task any more; unless the channel has gone on meanwhile: read again."""
        if self.channel.join(self):
            self.task = None

    def leave(self) -> None:
        """Follow no longer."""
        self.channel.leave(self)


class Channels:
    """The channels of one process."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._open: dict[Hashable, Channel] = {}
        self._readers: set[asyncio.Task[None]] = set()

    def follower(self, operation: Operation, feed: Feed, key: str, outlet: Outlet, task: asyncio.Task[None]) -> Follower:
        """A follower under the operation id `key`, told alone by `task` until it is ready."""
        place = (feed.stream, sharing_key(operation) or object())
        channel = self._open.get(place)
        if channel is None:
            channel = self._open[place] = Channel(self.engine, operation, feed, lambda: self._open.pop(place))
            self._readers.add(channel.reader)
            channel.reader.add_done_callback(self._readers.discard)
        channel.followers += 1
        follower = Follower(channel, feed, key, outlet)
        follower.alone_in(task)
        return follower

    async def closed(self) -> None:
        """Waits until the readers of channels that everybody left are gone."""
        await asyncio.gather(*self._readers, return_exceptions=True)


class Channel:
    """The followers of one stream with one operation."""

    def __init__(self, engine: Engine, operation: Operation, feed: Feed, dropped: Callable[[], object]) -> None:
        self.operation, self.followers = operation, 0
        self._engine, self._hub, self._stream, self._dropped = engine, feed.hub, feed.stream, dropped
        self._standing = feed.standing
        self._ready: dict[Follower, None] = {}
        self._head = 0
        self._checked = 0.0
        self._ear = Ear()
        self._hub.add(self._ear, self._stream)
        self.reader = asyncio.get_running_loop().create_task(self._read())

    def join(self, follower: Follower) -> bool:
        """Rule 2."""
        if not self._ready:
            self._head = max(self._head, follower.cursor)
            self._ear.wake()
        if follower.cursor < self._head:
            return False
        self._ready[follower] = None
        self._checked = min(self._checked, follower.checked)
        return True

    def leave(self, follower: Follower) -> None:
        """The last one to leave ends the channel."""
        self._ready.pop(follower, None)
        self.followers -= 1
        if not self.followers:
            self._dropped()
            self._hub.remove(self._ear, self._stream)
            self.reader.cancel()

    def _release(self, follower: Follower) -> None:
        del self._ready[follower]
        follower.outlet.release(follower)

    async def _read(self) -> None:
        while True:
            await self._ear.wait()
            try:
                await self._go_on()
            except Exception:
                log.exception("a channel's reader failed: each follower is told alone")
                for follower in tuple(self._ready):
                    self._release(follower)

    async def _go_on(self) -> None:
        while self._ready:
            events = await Event.since(self._stream, self._head, STEP)
            for event in events:
                if event.sequence > self._head:
                    await self._deliver(event)
            if len(events) < STEP:
                return

    async def _deliver(self, event: Event) -> None:
        self._head = event.sequence  # rule 1
        rest = [follower for follower in self._ready if follower.cursor < event.sequence]
        while rest:
            context, facts = rest[0].feed.context.recorded()
            result = await self._engine.execute_event(self.operation, context, event)
            alike, rest = _parted(rest, facts)
            payload = _payload(result)
            if payload is None:
                self._release_all(alike)
            else:
                await self._hand_out(payload, alike, event.sequence)

    async def _hand_out(self, payload: bytes, followers: Sequence[Follower], sequence: int) -> None:
        for start in range(0, len(followers), TURN):
            await self._check()
            self._write(payload, followers[start : start + TURN], sequence)
            await asyncio.sleep(0)

    def _write(self, payload: bytes, followers: Sequence[Follower], sequence: int) -> None:
        """Rule 3."""
        before, ready, frames = sequence - 1, self._ready, dict[str, bytes]()
        for follower in followers:
            if follower.cursor != before or follower not in ready:
                continue
            frame = frames.get(follower.key)
            if frame is None:
                frame = frames[follower.key] = framed(next_of(follower.key, payload))
            if follower.outlet.put(frame):
                follower.cursor = sequence
            else:
                self._release(follower)

    async def _check(self) -> None:
        """Releases whoever may not look any more; they find out why by themselves."""
        started = monotonic()
        if started - self._checked <= TRUSTED_SECONDS:
            return
        self._checked = started
        ready = list(self._ready)
        standing = await self._standing({follower.feed.session for follower in ready if follower.feed.session is not None})
        self._release_all([follower for follower in ready if follower.feed.session not in standing])
        rest = [follower for follower in ready if follower in self._ready]
        while rest:
            context, facts = rest[0].feed.context.recorded()
            let_in = await _lets_in(rest[0].feed, context)
            alike, rest = _parted(rest, facts)
            if not let_in:
                self._release_all(alike)

    def _release_all(self, followers: Sequence[Follower]) -> None:
        for follower in followers:
            if follower in self._ready:
                follower.checked = 0.0
                self._release(follower)


async def _lets_in(feed: Feed, context: Any) -> bool:
    try:
        await feed.rule(context)
    except Exception:  # each one's own task meets it again, and tells it
        return False
    return True


def _parted(followers: Sequence[Follower], facts: Facts) -> tuple[list[Follower], list[Follower]]:
    """Those who agree in these facts, and the others."""
    alike, rest = [], []
    wanted = tuple(facts.items())
    for follower in followers:
        fact = follower.feed.context.fact
        for name, value in wanted:
            if fact(name) != value:
                rest.append(follower)
                break
        else:
            alike.append(follower)
    return alike, rest


def _payload(result: dict[str, Any]) -> bytes | None:
    """The result as JSON; None where it is nobody else's: it holds errors, or what JSON can't."""
    if "errors" in result:
        return None
    try:
        return encode_json(result)
    except (TypeError, ValueError):
        return None
