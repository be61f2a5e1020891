"""One websocket from its connection_init to its end, and the operations it runs.

Tasks: the server's own, which reads; one that waits for the session to be revoked; one for each running operation.
Nothing is queued. An operation pulls a result, waits until it is written, and only then pulls the next: a peer that
reads slowly slows its own operations down, and costs the transport's buffer (see wire.py) and one result an operation.

Timers: none once the connection is acknowledged. Each conversation notes when its send began and when its peer was last
heard, and `check`, called for all of them from one timer, sees who is stalled, silent or due for a ping.

Ends: whoever wants the socket closed calls `end`, which keeps the first verdict and interrupts the reader. The reader
alone cancels the operations and closes, so nothing can be written after the close and nothing is closed twice.

An id is taken until its last message is written. The write and the release happen in one step (wire.py), so a client
that saw `complete` can use the id again, and a client's `complete` that crosses ours finds either the operation, whose
message is then never written, or nothing.
"""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import aclosing, suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from engine import Engine, Operation, Rejected, internal
from realtime import protocol
from realtime.connection import Connect, Connection, SocketLimits
from realtime.protocol import JSON, Complete, ConnectionInit, Message, Ping, Refused, Subscribe

log = logging.getLogger(__name__)

SETTLE = 10.0  # seconds that cancelled operations get to clean up before the log names them
HANG_UP = 1.0  # seconds for the close frame to be written; without it wire.py aborts the connection
REVOKED = {4401: "Unauthorized", 4403: "Forbidden"}


class Gone(Exception):
    """The peer left: there is nobody to tell."""


class Conversation:
    _connection: Connection

    def __init__(self, websocket: WebSocket, engine: Engine, connect: Connect, limits: SocketLimits) -> None:
        self._websocket, self._engine, self._connect, self._limits = websocket, engine, connect, limits
        self._loop = asyncio.get_running_loop()
        self._open: dict[str, asyncio.Task[None]] = {}  # the operations by id
        self._tasks: set[asyncio.Task[None]] = set()  # all that runs, also operations that still clean up
        self._leaving: set[asyncio.Task[None]] = set()  # those of them that end already
        self._turn = asyncio.Lock()
        self._sending_since = 0.0
        self._pinged_at = 0.0
        self._heard_at = self._loop.time()
        self._allowance = float(limits.messages_per_minute)
        self._verdict: Refused | Gone | None = None
        self.reader = asyncio.current_task()

    async def serve(self) -> None:
        """Talks until either side ends it. Returns when every operation has been cleaned up."""
        try:
            await self._converse()
        finally:
            self._open.clear()
            for task in self._tasks:
                self._cancel(task)
            await self._hang_up()
            await self._settle()

    async def _converse(self) -> None:
        try:
            await self._greet()
            while True:
                await self._obey(await self._receive())
        except (Refused, Gone) as verdict:
            self._verdict = verdict
        except asyncio.CancelledError:
            if self._verdict is None:  # not our own `end`: the server wants its task back
                self._verdict = Gone()
                raise
            if self.reader:
                self.reader.uncancel()

    async def _greet(self) -> None:
        try:
            async with asyncio.timeout(self._limits.init_timeout) as patience:
                await self._acknowledge(await self._introduction())
        except TimeoutError:
            if not patience.expired():
                raise
            raise Refused(4408, "Connection initialisation timeout") from None
        self._spawn(self._watch())

    async def _introduction(self) -> JSON:
        while not isinstance(message := await self._receive(), ConnectionInit):
            if isinstance(message, Subscribe):
                raise Refused(4401, "Unauthorized")
            await self._obey(message)
        return message.payload or {}

    async def _acknowledge(self, payload: JSON) -> None:
        try:
            self._connection = await self._connect(payload, self._websocket)
        except Refused:
            raise
        except Exception:
            log.exception("connect failed")
            raise Refused(4500, "Internal server error") from None
        await self._send(protocol.ACK)

    async def _watch(self) -> None:
        try:
            code = await self._connection.ended()
        except Exception:
            log.exception("nobody watches whether the session is revoked")
            code = 4500
        self.end(Refused(code, REVOKED.get(code, "")))

    async def _receive(self) -> Message:
        event = await self._websocket.receive()
        if event["type"] == "websocket.disconnect":
            raise Gone
        self._spend(self._loop.time())
        return protocol.read(event.get("text"), self._limits.frame_bytes)

    def _spend(self, now: float) -> None:
        most = self._limits.messages_per_minute
        self._allowance = min(most, self._allowance + (now - self._heard_at) * most / 60) - 1
        self._heard_at = now
        if self._allowance < 0:
            raise Refused(4429, "Too many messages")

    async def _obey(self, message: Message) -> None:
        match message:
            case Subscribe():
                await self._start(message)
            case Complete(key):
                self._stop(key)
            case Ping(payload):
                await self._send(protocol.pong(payload))
            case ConnectionInit():
                raise Refused(4429, "Too many initialisation requests")

    async def _start(self, message: Subscribe) -> None:
        if message.id in self._open:
            raise Refused(4409, f"Subscriber for {message.id} already exists")
        most = self._limits.operations
        if len(self._open) >= most or len(self._tasks) > 2 * most:  # the second: those that take long to clean up
            await self._send(protocol.error(message.id, [_crowded(most)]))
        else:
            self._open[message.id] = self._spawn(self._operate(message))

    def _stop(self, key: str) -> None:
        if task := self._open.pop(key, None):
            self._cancel(task)

    def _cancel(self, task: asyncio.Task[None]) -> None:
        if task not in self._leaving:  # or it would be interrupted while it cleans up
            self._leaving.add(task)
            task.cancel()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._leaving.discard(task)

    async def _operate(self, message: Subscribe) -> None:
        with suppress(Gone):
            await self._tell(message.id, await self._answer(message))
            self._open.pop(message.id, None)

    async def _answer(self, message: Subscribe) -> str:
        """Sends the operation's results; what is left to send is its last message."""
        try:
            await self._run(message)
        except Rejected as refusal:
            return protocol.error(message.id, refusal.errors)
        except Gone:
            raise
        except Exception as error:
            return protocol.error(message.id, [internal(error)])
        return protocol.complete(message.id)

    async def _run(self, message: Subscribe) -> None:
        may = self._connection
        operation = self._engine.prepare(
            message.params, cost_limit=may.cost_limit, introspection=may.introspection, trusted_only=may.trusted_only
        )
        if operation.kind == "subscription":
            await self._follow(message.id, operation)
        else:
            result = await self._engine.execute(operation, self._connection.context())
            await self._tell(message.id, protocol.next_(message.id, result))

    async def _follow(self, key: str, operation: Operation) -> None:
        events = self._engine.subscribe(operation, self._connection.context)
        async with aclosing(events) as results:  # a generator that is only dropped is closed some time later
            async for result in results:
                await self._tell(key, protocol.next_(key, result))
                await asyncio.sleep(0)  # a source that never waits, to a peer that reads fast, must not hold the loop

    async def _tell(self, key: str, text: str) -> None:
        task = self._open.get(key)
        if task is not asyncio.current_task() or task is None:  # the operation swallowed its cancellation
            raise Gone
        try:
            await self._send(text)
        except Gone:
            self._leaving.add(task)
            raise

    async def _send(self, text: str) -> None:
        async with self._turn:
            self._sending_since = self._loop.time()
            try:
                await self._websocket.send({"type": "websocket.send", "text": text})
            except (RuntimeError, WebSocketDisconnect):  # RuntimeError: closed a moment ago
                raise Gone from None
            finally:
                self._sending_since = 0.0

    def check(self, now: float) -> None:
        """Called every few seconds: ends the socket of a stalled or silent peer, pings one that is quiet."""
        if self._sending_since:
            if now - self._sending_since > self._limits.send_timeout:
                self.end(Refused(1013, "Reads too slowly"))
        elif self._pinged_at > self._heard_at:
            if now - self._pinged_at > self._limits.ping_interval:
                self.end(Refused(4408, "Ping unanswered"))
        elif now - self._heard_at > self._limits.ping_interval:
            self._pinged_at = now
            self._spawn(self._ping())

    async def _ping(self) -> None:
        with suppress(Gone):
            await self._send(protocol.PING)

    def end(self, verdict: Refused) -> None:
        """Closes the socket with the verdict's code, unless it is ending already."""
        if self._verdict is None and self.reader:
            self._verdict = verdict
            self.reader.cancel()

    async def _hang_up(self) -> None:
        if not isinstance(self._verdict, Refused):
            return
        with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):  # it doesn't read, or left meanwhile
            async with asyncio.timeout(HANG_UP):
                await self._websocket.close(self._verdict.code, self._verdict.reason)

    async def _settle(self) -> None:
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=SETTLE)
            if late:
                log.error("operations still running after their socket: %s", late)


def _crowded(most: int) -> JSON:
    extensions = {"code": "RATE_LIMITED", "retryAfter": 1}
    return {"message": f"At most {most} operations at once", "extensions": extensions}
