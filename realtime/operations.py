"""The operations of one connection: started, answered, and ended with it.

An id is in use until the operation's last message has been written. Writing and freeing the id are
one step (see uvicorn_protocol.py), so a client that received `complete` can use the id again, and a
client's `complete` that crosses ours finds either the operation, whose last message is then never
written, or nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

import structlog

from engine import Operation, RequestError, internal_error, request_error
from models.database.workload import Workload, assign_workload
from models.errors import ServiceUnavailable
from realtime import messages
from realtime.broadcast import BroadcastRegistry, Subscription
from realtime.close_codes import CloseCode, CloseConnection, unavailable
from realtime.messages import JSON, Subscribe
from realtime.outages import require_available, retry_during_outage
from realtime.stream import EventStream

if TYPE_CHECKING:
    from realtime.connection import SocketConnection

log = structlog.stdlib.get_logger()

CLEANUP_SECONDS = 10.0  # that cancelled operations have before the log names them


class Disconnected(Exception):
    """The client is gone, so nothing can be sent to it."""


class Operations:
    """The operations of one connection: at most `limit` are open, and of the queries and mutations
    among them at most `running` have begun.
    """

    def __init__(
        self,
        connection: "SocketConnection",
        broadcasts: BroadcastRegistry,
        limit: int,
        running: int,
    ) -> None:
        self._connection, self._broadcasts, self._engine, self._limit = (
            connection,
            broadcasts,
            broadcasts.engine,
            limit,
        )
        self._open: dict[
            str, asyncio.Task[None] | Subscription
        ] = {}  # by id: a live subscription has no task
        self._running = asyncio.Semaphore(running)
        # Everything that runs, including operations that are still cleaning up.
        self._tasks: set[asyncio.Task[None]] = set()
        self._cancelled: set[asyncio.Task[None]] = set()  # those of the tasks that are ending

    async def start(self, message: Subscribe) -> None:
        """Start an operation. Raises CloseConnection when its id is in use."""
        if message.id in self._open:
            raise CloseConnection(
                CloseCode.SUBSCRIBER_ALREADY_EXISTS, f"Subscriber for {message.id} already exists"
            )
        # The second condition counts operations that take long to clean up.
        if len(self._open) >= self._limit or len(self._tasks) > 2 * self._limit:
            await self._connection.send(
                messages.error(message.id, [_too_many_operations(self._limit)])
            )
        else:
            self._start_task(message.id, lambda: self._execute(message))

    def stop(self, operation_id: str) -> None:
        """End an operation if there is one: it sends nothing more."""
        match self._open.pop(operation_id, None):
            case asyncio.Task() as task:
                self._cancel(task)
            case Subscription() as subscription:
                subscription.end()

    def _cancel(self, task: asyncio.Task[None]) -> None:
        if task not in self._cancelled:  # a second time would interrupt its cleanup
            self._cancelled.add(task)
            task.cancel()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something that ends with the connection."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)
        return task

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._cancelled.discard(task)

    def _start_task(
        self, operation_id: str, run: Callable[[], Awaitable[bool]]
    ) -> asyncio.Task[None]:
        self._open[operation_id] = task = self.spawn(self._run(operation_id, run))
        return task

    async def _run(self, operation_id: str, run: Callable[[], Awaitable[bool]]) -> None:
        with suppress(Disconnected):
            if last_message := await self._last_message(operation_id, run):
                await self._send(operation_id, last_message)
                self._open.pop(operation_id, None)

    async def _last_message(
        self, operation_id: str, run: Callable[[], Awaitable[bool]]
    ) -> str | None:
        """Run the operation and return its last message; None when it continues as a live
        subscription.
        """
        try:
            return messages.complete(operation_id) if await run() else None
        except RequestError as error:
            return messages.error(operation_id, error.errors)
        except ServiceUnavailable:  # of a subscription
            self._connection.close(unavailable())
            return None
        except Disconnected:
            raise
        except Exception as error:
            return messages.error(operation_id, [internal_error(error)])

    async def _execute(self, message: Subscribe) -> bool:
        """Send the operation's results. Returns whether it has ended."""
        client = self._connection.client
        operation = self._engine.prepare(
            message.params,
            cost_limit=client.cost_limit,
            introspection=client.introspection,
            trusted_only=client.trusted_only,
        )
        if operation.kind == "mutation" and self._connection.is_read_only:
            raise request_error("Send a mutation by POST.")
        if operation.kind == "subscription" and not operation.dry_run:
            return await self._subscribe(message.id, operation)
        async with self._running:  # each keeps its result until the client has read enough
            result = await self._engine.execute(operation, client.context())
            await self._send_result(message.id, operation, result)
        return True

    async def _subscribe(self, operation_id: str, operation: Operation) -> bool:
        assign_workload(Workload.CHAT)
        client = self._connection.client
        context = client.context()
        source = await retry_during_outage(lambda: self._source_stream(operation, context))
        if isinstance(source, EventStream):
            if self._connection.resume_after is not None:
                source.after = self._connection.resume_after
            task = self._current_task(operation_id)
            subscription = self._broadcasts.subscribe(
                operation, source, operation_id, self._connection, task
            )
            return await self._catch_up(subscription, subscription.start)
        async with aclosing(
            self._engine.response_stream(operation, source, context, client.context)
        ) as results:
            async for result in results:
                require_available(result.get("errors"))
                await self._send_result(operation_id, operation, result)
                # A source that never waits and a client that reads fast must not block the loop.
                await asyncio.sleep(0)
        return True

    async def _source_stream(self, operation: Operation, context: Any) -> Any:
        try:
            return await self._engine.create_source_stream(operation, context)
        except RequestError as error:
            require_available(error.errors)
            raise

    async def _catch_up(
        self, subscription: Subscription, start: Callable[[], Awaitable[None]]
    ) -> bool:
        """Deliver what the subscription has missed until it is live. Returns True when it has
        failed and therefore ended. Raises RequestError when it can't start.
        """
        operation_id = subscription.operation_id
        is_started = False
        try:
            await retry_during_outage(start)
            is_started = True
            while subscription.task:
                await retry_during_outage(lambda: self._send_missed_events(subscription))
                self._current_task(operation_id)
                subscription.join()
        except (Disconnected, ServiceUnavailable):
            raise
        except Exception as error:
            result = self._engine.source_error(
                subscription.operation, error, self._connection.client.context()
            )
            if not is_started:
                raise RequestError(result["errors"]) from error
            await self._send(operation_id, messages.next_message(operation_id, result))
            return True
        self._open[operation_id] = subscription
        return False

    async def _send_missed_events(self, subscription: Subscription) -> None:
        async with aclosing(subscription.missed_events()) as events:
            async for event in events:
                result = await self._engine.execute_event(
                    subscription.operation, self._connection.client.context(), event
                )
                require_available(result.get("errors"))
                await self._send_result(
                    subscription.operation_id, subscription.operation, result, event.sequence
                )
                await asyncio.sleep(0)

    def catch_up(self, subscription: Subscription) -> None:
        """Deliver to this subscription in a task of its own until it is live again."""
        task = self._start_task(
            subscription.operation_id, lambda: self._catch_up(subscription, _keep_cursor)
        )
        subscription.attach_task(task)

    def _current_task(self, operation_id: str) -> asyncio.Task[None]:
        """The current task, which runs this operation. Raises Disconnected when a cancelled
        operation has gone on.
        """
        task = asyncio.current_task()
        if task is None or task is not self._open.get(operation_id):
            raise Disconnected
        return task

    async def _send_result(
        self, operation_id: str, operation: Operation, result: JSON, sequence: int | None = None
    ) -> None:
        max_bytes = self._connection.client.max_response_bytes
        payload = self._engine.encode(operation, result, max_bytes)
        text = messages.next_message_bytes(operation_id, payload).decode()
        await self._send(operation_id, text, sequence)

    async def _send(self, operation_id: str, text: str, sequence: int | None = None) -> None:
        task = self._current_task(operation_id)
        try:
            await self._connection.send(text, sequence)
        except Disconnected:
            self._cancelled.add(task)
            raise

    def end(self) -> None:
        """Cancel everything."""
        for operation_id in tuple(self._open):
            self.stop(operation_id)
        for task in self._tasks:
            self._cancel(task)

    async def wait_for_cleanup(self) -> None:
        """Wait until every operation has cleaned up."""
        if self._tasks:
            _, unfinished = await asyncio.wait(self._tasks, timeout=CLEANUP_SECONDS)
            if unfinished:
                log.error("operations.not_cleaned_up", tasks=[str(task) for task in unfinished])


async def _keep_cursor() -> None:
    """A detached subscription goes on from the cursor it has."""


def _too_many_operations(limit: int) -> JSON:
    return {
        "message": f"At most {limit} operations at once",
        "extensions": {"code": "RATE_LIMITED", "retryAfter": 1},
    }
