"""Delivering an event to many subscriptions: executed once for all viewers who see the same,
encoded once, then written.

Subscriptions to one stream with equivalent operations (`engine.sharing_key`) share a broadcast.
Nearly always all of them are *live*: they have received every event up to the broadcast's head. A
live subscription has no task and no queue. The broadcast's one reader sleeps until the hub notifies
it, reads the events after the head, executes each, and writes the frame directly to each
connection. Executing an event records which values were read about the viewer (models/viewer.py).
The result goes to every subscription whose viewer has the same values; then the event is executed
for the first subscription that is left, until none is left.

A subscription that can't be served this way is *detached*: its client reads too slowly to take the
frame at once, or another message to the client is being sent; access has been lost or is in doubt;
or the result contains errors, which are never shared. A detached subscription catches up in a task
of its own, from its own cursor, with backpressure and its own access checks, as if there were no
broadcast. So a slow client delays no one else, and each error is reported to the viewer it
concerns. At the end of the stream the subscription joins the broadcast again.

**No gaps and no duplicates** follow from three rules, each of them kept in one step without an
await:
1. The head moves to an event before the event is executed, in the same step that lists the live
   subscriptions.
2. A subscription joins only if its cursor is not behind the head. It reads the events up to the
   head by itself, which it can because the reader has seen them and numbers become visible in order
   (models/event.py). The reader delivers all later ones.
3. A frame is written only to a subscription that is live and whose cursor is directly before the
   event; the cursor moves with the write. A subscription that has ended, was detached or went ahead
   in the meantime is skipped. The reader listens to the hub before any subscription joins. The
   reader is notified of any event that commits after a subscription's last read. With no live
   subscription the
   reader leaves events unread, so the first subscription to join wakes it once.

**Access** is checked for all live subscriptions before a write when the last check began more than
half a second ago: all sessions in one query, and the stream's own rule once for each set of values.
As soon as the end of a session is announced, its connection takes no more frames (connection.py).

A broadcast is for one operation and not for the whole stream: a slow operation then delays its own
subscriptions only, and there are few different ones.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Sequence
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from engine import Engine, Operation, encode_json, sharing_key
from models.database.workload import Workload, assign_person, assign_workload
from models.event import Event
from models.measurements import EVENT_DELIVERY
from realtime.delivered_positions import Receiver
from realtime.messages import next_message_start
from realtime.outages import require_available, retry_during_outage
from realtime.stream import ACCESS_SECONDS, PAGE_SIZE, Dependencies, EventStream
from realtime.uvicorn_protocol import text_frame

if TYPE_CHECKING:
    from realtime.connection import SocketConnection

log = structlog.stdlib.get_logger()

MAX_SHARED_BYTES = 65_536
BATCH_SIZE = 100  # frames written before other tasks run


class Subscription:
    """One client's subscription to an event stream: where it stands in the stream, and which
    connection it belongs to.
    """

    __slots__ = (
        "broadcast",
        "checked_at",
        "connection",
        "cursor",
        "message_start",
        "operation_id",
        "stream",
        "task",
    )

    def __init__(
        self,
        broadcast: "Broadcast",
        stream: EventStream,
        operation_id: str,
        connection: "SocketConnection",
    ) -> None:
        self.broadcast = broadcast
        self.stream = stream
        self.operation_id = operation_id
        self.message_start = next_message_start(operation_id)
        self.connection = connection
        self.cursor = 0  # the number of the last event delivered
        self.task: asyncio.Task[None] | None = None  # in which it catches up; None when it is live
        self.checked_at = 0.0  # when its last access check began, on the monotonic clock
        if stream.delivered is not None:
            stream.delivered.add(self)

    @property
    def operation(self) -> Operation:
        return self.broadcast.operation

    @property
    def stream_key(self) -> str:
        return self.stream.key

    @property
    def receiver(self) -> Receiver:
        assert self.stream.receiver is not None, "set together with `delivered`"  # noqa: S101
        return self.stream.receiver

    def attach_task(self, task: asyncio.Task[None]) -> None:
        """Catch up in this task. The subscription ends with the task unless it has joined, even if
        the task never ran.
        """
        self.task = task
        task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        if self.task is task:
            self.end()

    async def start(self) -> None:
        """Find the first cursor. Raises when the viewer has no access or the cursor is not in the
        stream.
        """
        await self._require_access()
        self.cursor = await self.stream.first_cursor()

    async def missed_events(self) -> AsyncGenerator[Event, None]:
        """The events after the cursor up to the end of the stream. The cursor moves when the next
        event is requested.
        """
        while True:
            await self._require_access()
            events = await Event.since(self.stream.key, self.cursor, PAGE_SIZE)
            for event in events:
                await self._require_access()
                yield event
                self.cursor = event.sequence
            if len(events) < PAGE_SIZE:
                return

    async def _require_access(self) -> None:
        if self.connection.is_checking_session or monotonic() - self.checked_at > ACCESS_SECONDS:
            now = monotonic()
            await self.stream.require_access()
            self.checked_at = now

    def join(self) -> None:
        """Become live if the broadcast has not moved on in the meantime."""
        if self.broadcast.join(self):
            self.task = None

    def end(self) -> None:
        """Deliver no more events."""
        if self.stream.delivered is not None:
            self.stream.delivered.remove(self)
        self.broadcast.leave(self)


class SubscriptionCounts(NamedTuple):
    """How many subscriptions are live and how many catch up, and the broadcasts that they share."""

    live: int
    catching_up: int
    broadcasts: int


class BroadcastRegistry:
    """The broadcasts of one process."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._open: dict[Hashable, Broadcast] = {}
        self._readers: set[asyncio.Task[None]] = set()

    def subscribe(
        self,
        operation: Operation,
        stream: EventStream,
        operation_id: str,
        connection: "SocketConnection",
        task: asyncio.Task[None],
    ) -> Subscription:
        """A subscription that catches up in this task until it joins its broadcast."""
        key = (stream.key, sharing_key(operation) or object())
        broadcast = self._open.get(key)
        if broadcast is None:
            broadcast = self._open[key] = Broadcast(
                self.engine, operation, stream, lambda: self._open.pop(key)
            )
            self._readers.add(broadcast.reader)
            broadcast.reader.add_done_callback(self._readers.discard)
        broadcast.subscriptions += 1
        subscription = Subscription(broadcast, stream, operation_id, connection)
        subscription.attach_task(task)
        return subscription

    def counts(self) -> "SubscriptionCounts":
        """The subscriptions, also for another thread."""
        broadcasts = tuple(self._open.values())
        live = sum(each.live_count for each in broadcasts)
        return SubscriptionCounts(
            live, sum(each.subscriptions for each in broadcasts) - live, len(broadcasts)
        )

    async def wait_closed(self) -> None:
        """Wait until the readers of broadcasts without subscriptions have ended."""
        await asyncio.gather(*self._readers, return_exceptions=True)


class Broadcast:
    """The subscriptions to one stream with equivalent operations."""

    def __init__(
        self,
        engine: Engine,
        operation: Operation,
        stream: EventStream,
        on_end: Callable[[], object],
    ) -> None:
        self.operation, self.subscriptions = operation, 0
        self._engine, self._hub, self._stream_key, self._on_end = (
            engine,
            stream.hub,
            stream.key,
            on_end,
        )
        self._valid_sessions = stream.valid_sessions
        self._live: dict[Subscription, None] = {}
        self._head = 0
        self._checked_at = 0.0
        self._notified = asyncio.Event()
        self._hub.add_listener(self._notified.set, self._stream_key)
        self.reader = asyncio.get_running_loop().create_task(self._read())

    @property
    def live_count(self) -> int:
        """How many subscriptions are live."""
        return len(self._live)

    def join(self, subscription: Subscription) -> bool:
        """Make a subscription live if it has caught up (rule 2). Returns whether it did."""
        if not self._live:
            self._head = max(self._head, subscription.cursor)
            self._notified.set()
        if subscription.cursor < self._head:
            return False
        self._live[subscription] = None
        self._checked_at = min(self._checked_at, subscription.checked_at)
        return True

    def leave(self, subscription: Subscription) -> None:
        """Remove a subscription. The broadcast ends with the last one."""
        self._live.pop(subscription, None)
        self.subscriptions -= 1
        if not self.subscriptions:
            self._on_end()
            self._hub.remove_listener(self._notified.set, self._stream_key)
            self.reader.cancel()

    def _detach(self, subscription: Subscription) -> None:
        del self._live[subscription]
        subscription.connection.catch_up(subscription)

    async def _read(self) -> None:
        assign_workload(Workload.CHAT)
        assign_person(None)  # it works for all of them
        while True:
            await self._notified.wait()
            self._notified.clear()
            try:
                await retry_during_outage(self._deliver_new_events)
            except Exception:
                log.exception("broadcast.failed", stream=self._stream_key)
                for subscription in tuple(self._live):
                    self._detach(subscription)

    async def _deliver_new_events(self) -> None:
        while self._live:
            events = await Event.since(self._stream_key, self._head, PAGE_SIZE)
            for event in events:
                if event.sequence > self._head:
                    await self._deliver(event)
            if len(events) < PAGE_SIZE:
                return

    async def _deliver(self, event: Event) -> None:
        self._head = event.sequence  # rule 1
        pending = [
            subscription for subscription in self._live if subscription.cursor < event.sequence
        ]
        while pending:
            context, dependencies = pending[0].stream.context.recording_context()
            result = await retry_during_outage(partial(self._execute, context, event))
            matching, pending = _split(pending, dependencies)
            payload = _encode_shareable(result)
            if payload is None:
                self._detach_all(matching)
            else:
                await self._send(payload, matching, event.sequence)
                EVENT_DELIVERY.observe(context.now() - event.at)

    async def _execute(self, context: Any, event: Event) -> dict[str, Any]:
        result = await self._engine.execute_event(self.operation, context, event)
        require_available(result.get("errors"))
        return result

    async def _send(
        self, payload: bytes, subscriptions: Sequence[Subscription], sequence: int
    ) -> None:
        for start in range(0, len(subscriptions), BATCH_SIZE):
            await retry_during_outage(self._check_access)
            self._write(payload, subscriptions[start : start + BATCH_SIZE], sequence)
            await asyncio.sleep(0)

    def _write(self, payload: bytes, subscriptions: Sequence[Subscription], sequence: int) -> None:
        """Write an event's frame to subscriptions that lack only this event (rule 3)."""
        previous, live_subscriptions, ending = sequence - 1, self._live, payload + b"}"
        now = asyncio.get_running_loop().time()  # no other task runs until all are written
        for subscription in subscriptions:
            if subscription.cursor != previous or subscription not in live_subscriptions:
                continue
            frame = text_frame(subscription.message_start + ending)
            if subscription.connection.try_write(frame, now):
                subscription.cursor = sequence
            else:
                self._detach(subscription)

    async def _check_access(self) -> None:
        """Detach the subscriptions whose viewers have lost access; their own checks report why."""
        now = monotonic()
        if now - self._checked_at <= ACCESS_SECONDS:
            return
        self._checked_at = now
        try:
            await self._detach_without_access()
        except BaseException:
            self._checked_at = 0.0  # the next write requires a check that succeeds
            raise

    async def _detach_without_access(self) -> None:
        subscriptions = list(self._live)
        for subscription in subscriptions:
            subscription.connection.check_expiry()  # nothing is written to those it closes
        sessions = {
            subscription.stream.session
            for subscription in subscriptions
            if subscription.stream.session is not None
        }
        valid_sessions = await self._valid_sessions(sessions)
        self._detach_all(
            [
                subscription
                for subscription in subscriptions
                if subscription.stream.session not in valid_sessions
            ]
        )
        remaining = [subscription for subscription in subscriptions if subscription in self._live]
        while remaining:
            stream = remaining[0].stream
            context, dependencies = stream.context.recording_context()
            has_access = await _has_access(stream, context)
            matching, remaining = _split(remaining, dependencies)
            if not has_access:
                self._detach_all(matching)

    def _detach_all(self, subscriptions: Sequence[Subscription]) -> None:
        for subscription in subscriptions:
            if subscription in self._live:
                subscription.checked_at = 0.0
                self._detach(subscription)


async def _has_access(stream: EventStream, context: Any) -> bool:
    try:
        await stream.check_access(context)
    except Exception:  # the check of each subscription raises it again, and reports it
        return False
    return True


def _split(
    subscriptions: Sequence[Subscription], dependencies: Dependencies
) -> tuple[list[Subscription], list[Subscription]]:
    """The subscriptions whose viewers have these values, and the others."""
    matching, others = [], []
    expected_values = tuple(dependencies.items())
    for subscription in subscriptions:
        dependency_value = subscription.stream.context.dependency_value
        for name, value in expected_values:
            if dependency_value(name) != value:
                others.append(subscription)
                break
        else:
            matching.append(subscription)
    return matching, others


def _encode_shareable(result: dict[str, Any]) -> bytes | None:
    """The result as JSON. None when it can't be shared: because it contains errors, because JSON
    can't represent it, or because it may exceed the lower limits of some clients.
    """
    if "errors" in result:
        return None
    try:
        payload = encode_json(result)
    except (TypeError, ValueError):
        return None
    return payload if len(payload) <= MAX_SHARED_BYTES else None
