"""The operations of one websocket: begun, told, and ended with it.

An id is taken until its last message is written. The write and the release happen in one step (uvicorn_protocol.py), so a
client that saw `complete` can use the id again, and a client's `complete` that crosses ours finds either the operation,
whose message is then never written, or nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any, Protocol

from engine import Operation, RequestError, internal_error
from realtime import messages as protocol
from realtime.broadcast import Channels, Follower, Outlet
from realtime.client import Connection
from realtime.messages import JSON, Refused, Subscribe
from realtime.stream import Feed

log = logging.getLogger(__name__)

SETTLE = 10.0  # seconds that cancelled operations get to clean up before the log names them


class Gone(Exception):
    """The peer left: there is nobody to tell."""


class Peer(Outlet, Protocol):
    """The conversation whose operations these are."""

    @property
    def connection(self) -> Connection:
        """Who is at the other end."""

    async def send(self, text: str) -> None:
        """Writes a message, once the peer has read enough. Raises Gone."""


class Operations:
    """What one peer runs, at most `most` at once."""

    def __init__(self, peer: Peer, channels: Channels, most: int) -> None:
        self._peer, self._channels, self._engine, self._most = peer, channels, channels.engine, most
        self._open: dict[str, asyncio.Task[None] | Follower] = {}  # by id
        self._tasks: set[asyncio.Task[None]] = set()  # all that runs, also operations that still clean up
        self._leaving: set[asyncio.Task[None]] = set()  # those of them that end already

    async def start(self, message: Subscribe) -> None:
        """Begin an operation. Raises Refused when its id is taken."""
        if message.id in self._open:
            raise Refused(4409, f"Subscriber for {message.id} already exists")
        most = self._most
        if len(self._open) >= most or len(self._tasks) > 2 * most:  # the second: those that take long to clean up
            await self._peer.send(protocol.error(message.id, [_crowded(most)]))
        else:
            self._operate(message.id, lambda: self._run(message))

    def stop(self, key: str) -> None:
        """End one, whether it runs or not: nothing more is told of it."""
        match self._open.pop(key, None):
            case asyncio.Task() as task:
                self._cancel(task)
            case Follower() as follower:
                follower.leave()

    def _cancel(self, task: asyncio.Task[None]) -> None:
        if task not in self._leaving:  # or it would be interrupted while it cleans up
            self._leaving.add(task)
            task.cancel()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something until the socket's end."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._leaving.discard(task)

    def _operate(self, key: str, run: Callable[[], Awaitable[bool]]) -> asyncio.Task[None]:
        self._open[key] = task = self.spawn(self._operation(key, run))
        return task

    async def _operation(self, key: str, run: Callable[[], Awaitable[bool]]) -> None:
        with suppress(Gone):
            if last := await self._last(key, run):
                await self._tell(key, last)
                self._open.pop(key, None)

    async def _last(self, key: str, run: Callable[[], Awaitable[bool]]) -> str | None:
        """Sends the operation's results; what is left to send is its last message, None when it goes on without a task."""
        try:
            return protocol.complete(key) if await run() else None
        except RequestError as refusal:
            return protocol.error(key, refusal.errors)
        except Gone:
            raise
        except Exception as error:
            return protocol.error(key, [internal_error(error)])

    async def _run(self, message: Subscribe) -> bool:
        """Whether the operation is done."""
        may = self._peer.connection
        operation = self._engine.prepare(
            message.params, cost_limit=may.cost_limit, introspection=may.introspection, trusted_only=may.trusted_only
        )
        if operation.kind == "subscription" and not operation.dry_run:
            return await self._follow(message.id, operation)
        result = await self._engine.execute(operation, may.context())
        await self._tell(message.id, protocol.next_(message.id, result))
        return True

    async def _follow(self, key: str, operation: Operation) -> bool:
        context = self._peer.connection.context()
        source = await self._engine.create_source_stream(operation, context)
        if isinstance(source, Feed):
            follower = self._channels.follower(operation, source, key, self._peer, self._mine(key))
            return await self._catch_up(follower, follower.start)
        events = self._engine.response_stream(operation, source, context, self._peer.connection.context)
        async with aclosing(events) as results:  # a generator that is only dropped is closed some time later
            async for result in results:
                await self._tell(key, protocol.next_(key, result))
                await asyncio.sleep(0)  # a source that never waits, to a peer that reads fast, must not hold the loop
        return True

    async def _catch_up(self, follower: Follower, begin: Callable[[], Awaitable[None]]) -> bool:
        """Tell a follower what it has not been told yet, until it is ready; it is done when that fails."""
        key = follower.key
        try:
            await begin()
            while follower.task:
                await self._tell_unseen(follower)
                self._mine(key)
                follower.join()
        except Gone:
            raise
        except Exception as error:
            broken = self._engine.source_error(follower.operation, error, self._peer.connection.context())
            await self._tell(key, protocol.next_(key, broken))
            return True
        self._open[key] = follower
        return False

    async def _tell_unseen(self, follower: Follower) -> None:
        async with aclosing(follower.unseen()) as events:
            async for event in events:
                result = await self._engine.execute_event(follower.operation, self._peer.connection.context(), event)
                await self._tell(follower.key, protocol.next_(follower.key, result))
                await asyncio.sleep(0)

    def release(self, follower: Follower) -> None:
        """Tell a follower alone, until it is ready again."""
        follower.alone_in(self._operate(follower.key, lambda: self._catch_up(follower, _at_once)))

    def _mine(self, key: str) -> asyncio.Task[None]:
        """The current task, which runs this operation. Raises Gone when the operation swallowed its cancellation."""
        task = asyncio.current_task()
        if task is None or task is not self._open.get(key):
            raise Gone
        return task

    async def _tell(self, key: str, text: str) -> None:
        task = self._mine(key)
        try:
            await self._peer.send(text)
        except Gone:
            self._leaving.add(task)
            raise

    def end(self) -> None:
        """Cancel everything."""
        for key in tuple(self._open):
            self.stop(key)
        for task in self._tasks:
            self._cancel(task)

    async def settle(self) -> None:
        """Wait until everything has been cleaned up."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=SETTLE)
            if late:
                log.error("operations still running after their socket: %s", late)


async def _at_once() -> None:
    """How a follower begins that has a cursor already."""


def _crowded(most: int) -> JSON:
    extensions = {"code": "RATE_LIMITED", "retryAfter": 1}
    return {"message": f"At most {most} operations at once", "extensions": extensions}
