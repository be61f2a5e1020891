"""One websocket from `connection_init` until it is closed. The operations it runs are in
operations.py.

Tasks: the server's own, which reads, and one for each running operation. A subscription to a stream
of stored events has a task only until it has caught up; then its broadcast writes new events
directly to the connection (`try_write`), and hands the subscription back (`catch_up`) when it
can't. So an idle connection costs one task, its reader.

Nothing is queued. An operation produces a result, waits until it is written, and only then produces
the next: a client that reads slowly slows down its own operations, and costs the transport's buffer
(see uvicorn_protocol.py) and one result for each operation. A broadcast's frame is written only
when no message is waiting to be sent, so it can't overtake one.

End of a session: the application notifies the connection whenever the client's session may have
ended. From that moment the broadcasts write nothing until a check has confirmed that the session is
still valid.

Timers: after the acknowledgement, there is only the one that closes the connection when the access
token that it was opened with expires. No operation starts and nothing is delivered after that, even
when the timer is late. Each connection records when its current send began and when it last heard
from the client; `check`, which one timer calls for all connections, finds out who reads too slowly,
who is silent and who is due a ping.

Closing: the connection is closed by `close`, which keeps the first reason and interrupts the
reader. Only the reader cancels the operations and closes the websocket, so nothing is written after
the close and nothing is closed twice.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf
from typing import TypeVar

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from models.database.workload import Workload, assign_workload
from models.errors import ServiceUnavailable
from realtime import messages
from realtime.broadcast import BroadcastRegistry, Subscription
from realtime.client import Client, OnConnect, SocketLimits
from realtime.close_codes import CloseCode, CloseConnection, unavailable
from realtime.messages import JSON, Complete, ConnectionInit, Message, Ping, Subscribe
from realtime.operations import Disconnected, Operations
from realtime.outages import retry_during_outage
from realtime.read_timeout import ReadTimeout
from realtime.socket_registry import SocketRegistry
from realtime.uvicorn_protocol import ASGI_EXTENSION, UvicornProtocol

log = structlog.stdlib.get_logger()
Result = TypeVar("Result")

# Extensions of the ASGI scope that event_stream.py uses.
RESUME_AFTER_KEY = "camcha.resume_after"  # the sequence after which a client resumes
READ_ONLY_KEY = "camcha.read_only"  # whether mutations are refused
SEQUENCE_KEY = (
    "camcha.sequence"  # the key of a sent message that has the sequence of a stored event
)

CLOSE_REASONS = {CloseCode.UNAUTHORIZED: "Unauthorized", CloseCode.FORBIDDEN: "Forbidden"}


class SocketConnection:
    def __init__(
        self,
        websocket: WebSocket,
        network: str,
        broadcasts: BroadcastRegistry,
        registry: SocketRegistry,
        on_connect: OnConnect,
        limits: SocketLimits,
    ) -> None:
        self.network, self._registry = network, registry
        self._websocket, self._on_connect, self._limits = websocket, on_connect, limits
        extensions = websocket.scope.get("extensions", {})
        self._uvicorn: UvicornProtocol | None = extensions.get(ASGI_EXTENSION)
        self.is_read_only: bool = extensions.get(READ_ONLY_KEY, False)
        self.resume_after: int | None = extensions.get(RESUME_AFTER_KEY)
        self._loop = asyncio.get_running_loop()
        self._operations = Operations(self, broadcasts, limits.operations, limits.running)
        self._client: Client | None = None
        self._sending = asyncio.Lock()
        self._sending_since = 0.0
        self._pinged_at = 0.0
        self._heard_at = self._loop.time()
        self._allowance = float(limits.messages_per_minute)
        self._closing: CloseConnection | Disconnected | None = None
        self._session_checks = 0
        self._expires_at = inf
        self._expiry_timer: asyncio.TimerHandle | None = None
        self.reader = asyncio.current_task()

    @property
    def client(self) -> Client:
        """Who the client is, once the connection has been acknowledged."""
        assert self._client is not None, "operations begin after the acknowledgement"  # noqa: S101
        return self._client

    async def serve(self) -> None:
        """Exchange messages until either side ends the connection, and return when every operation
        has cleaned up.
        """
        try:
            await self._read()
        finally:
            if self._expiry_timer:
                self._expiry_timer.cancel()
            if self._client:
                self._client.remove_listener(self.on_session_change)
                self._client.disconnected()
            self._operations.end()
            await self._close_websocket()
            await self._operations.wait_for_cleanup()

    async def _read(self) -> None:
        try:
            await self._websocket.accept(messages.SUBPROTOCOL)
            await self._initialise()
            while True:
                await self._handle(await self._receive())
        except (CloseConnection, Disconnected) as reason:
            self._closing = reason
        except asyncio.CancelledError:
            if self._closing is None:  # not by `close`: the server has cancelled its task
                self._closing = Disconnected()
                raise
            if self.reader:
                self.reader.uncancel()

    async def _initialise(self) -> None:
        timeout = ReadTimeout(self._limits.init_timeout, self._close_uninitialised)
        try:
            payload = await self._connection_init()
        finally:
            timeout.cancel()
        await self._acknowledge(payload)

    def _close_uninitialised(self) -> None:
        self.close(CloseConnection(CloseCode.TIMEOUT, "Connection initialisation timeout"))

    async def _connection_init(self) -> JSON:
        while not isinstance(message := await self._receive(), ConnectionInit):
            if isinstance(message, Subscribe):
                raise CloseConnection(CloseCode.UNAUTHORIZED, "Unauthorized")
            await self._handle(message)
        return message.payload or {}

    async def _acknowledge(self, payload: JSON) -> None:
        await self._registry.identifications.wait()
        client = await self._in_time(lambda: self._on_connect(payload, self._handshake()))
        self._registry.identify(self, client.person)
        if self._uvicorn:
            self._uvicorn.drop_headers()
        self._client = client
        client.connected()
        client.add_listener(self.on_session_change)
        # The session may have ended before the listener was added.
        if code := await self._in_time(client.close_code):
            raise CloseConnection(code, CLOSE_REASONS.get(code, ""))
        self._set_expiry(client)
        await self.send(messages.ACK)

    async def _in_time(self, look_up: Callable[[], Awaitable[Result]]) -> Result:
        """What the application looks up about the client. Raises CloseConnection."""
        try:
            async with asyncio.timeout(self._limits.identify_timeout) as timeout:
                return await retry_during_outage(look_up)
        except CloseConnection:
            raise
        except ServiceUnavailable:
            raise unavailable() from None
        except Exception as error:
            if isinstance(error, TimeoutError) and timeout.expired():
                raise unavailable() from None
            log.exception("websocket.connect_failed")
            raise CloseConnection(
                CloseCode.INTERNAL_SERVER_ERROR, "Internal server error"
            ) from None

    def _set_expiry(self, client: Client) -> None:
        """Close the connection when the client's credentials expire; an anonymous client's after
        some time.
        """
        seconds = client.seconds_left()
        if seconds is None and client.person is None:
            seconds = self._limits.anonymous_seconds
        if seconds is not None:
            self._expires_at = self._loop.time() + seconds
            self._expiry_timer = self._loop.call_later(seconds, self.check_expiry)

    def check_expiry(self) -> bool:
        """Close the connection if its time is over. Returns whether it is."""
        now, client = self._loop.time(), self._client
        seconds = client.seconds_left() if client else None
        if now < self._expires_at and (seconds is None or seconds > 0):
            return False
        self._expires_at = -inf
        reason = (
            CloseConnection(CloseCode.UNAUTHORIZED, "Sign in to stay connected")
            if seconds is None
            else CloseConnection(CloseCode.FORBIDDEN, "Access token expired")
        )
        if asyncio.current_task() is self.reader:
            raise reason
        self.close(reason)
        return True

    def _handshake(self) -> WebSocket:
        """The handshake as an object of its own, because a WebSocket keeps the headers once they
        have been read.
        """
        return WebSocket(self._websocket.scope, self._websocket.receive, self._websocket.send)

    def on_session_change(self) -> None:
        """Check the client's session. Until the result is known, broadcasts write nothing."""
        self._session_checks += 1
        self._operations.spawn(self._check_session())

    @property
    def is_checking_session(self) -> bool:
        """Whether a check of the client's session is in progress."""
        return self._session_checks > 0

    async def _check_session(self) -> None:
        assign_workload(Workload.CHAT)
        try:
            code = await retry_during_outage(self.client.close_code)
        except ServiceUnavailable:
            code = CloseCode.TRY_AGAIN_LATER
        except Exception:
            log.exception("websocket.session_check_failed")
            code = CloseCode.INTERNAL_SERVER_ERROR
        if code:
            self.close(CloseConnection(code, CLOSE_REASONS.get(code, "")))
        else:
            self._session_checks -= 1

    async def _receive(self) -> Message:
        event = await self._websocket.receive()
        if event["type"] == "websocket.disconnect":
            raise Disconnected
        self._count_message(self._loop.time())
        return messages.parse(event.get("text"), self._limits.frame_bytes)

    def _count_message(self, now: float) -> None:
        limit = self._limits.messages_per_minute
        self._allowance = min(limit, self._allowance + (now - self._heard_at) * limit / 60) - 1
        self._heard_at = now
        if self._allowance < 0:
            raise CloseConnection(CloseCode.TOO_MANY_REQUESTS, "Too many messages")

    async def _handle(self, message: Message) -> None:
        match message:
            case Subscribe():
                if not self.check_expiry():
                    await self._operations.start(message)
            case Complete(operation_id):
                self._operations.stop(operation_id)
            case Ping(payload):
                await self.send(messages.pong(payload))
            case ConnectionInit():
                raise CloseConnection(
                    CloseCode.TOO_MANY_REQUESTS, "Too many initialisation requests"
                )

    def try_write(self, frame: bytes, now: float) -> bool:
        """Write a whole frame at once. `now` is the event loop's time. False when the client reads
        slowly, a message is being sent, the session is in doubt or over, or the connection is
        closing.
        """
        is_busy = (
            self._uvicorn is None
            or self._session_checks
            or self._closing is not None
            or self._sending_since
            or now >= self._expires_at
        )
        return not is_busy and self._uvicorn.try_write(frame)  # type: ignore[union-attr] # not None

    def catch_up(self, subscription: Subscription) -> None:
        """Deliver to this subscription in a task of its own until it is live again."""
        if self._closing is None:  # otherwise it ends with all the others
            self._operations.catch_up(subscription)

    async def send(self, text: str, sequence: int | None = None) -> None:
        """Write a message once the client has read enough. `sequence` is that of a stored event.
        Raises Disconnected when the client is gone.
        """
        async with self._sending:
            self._sending_since = self._loop.time()
            if self._sending_since >= self._expires_at:
                self.check_expiry()
                raise Disconnected
            try:
                await self._websocket.send(
                    {"type": "websocket.send", "text": text, SEQUENCE_KEY: sequence}
                )
            except (RuntimeError, WebSocketDisconnect):  # RuntimeError: closed a moment ago
                raise Disconnected from None
            finally:
                self._sending_since = 0.0

    def check(self, now: float) -> None:
        """Close the connection of a client that reads too slowly or is silent, and ping one that is
        quiet. Also close it when the client's time is over because the clock was advanced.
        """
        if self._client and self.check_expiry():
            return
        if self._sending_since:
            if now - self._sending_since > self._limits.send_timeout:
                self.close(CloseConnection(CloseCode.TRY_AGAIN_LATER, "Reads too slowly"))
        elif self._pinged_at > self._heard_at:
            if now - self._pinged_at > self._limits.ping_interval:
                self.close(CloseConnection(CloseCode.TIMEOUT, "Ping unanswered"))
        elif now - self._heard_at > self._limits.ping_interval:
            self._pinged_at = now
            self._operations.spawn(self._ping())

    async def _ping(self) -> None:
        with suppress(Disconnected):
            await self.send(messages.PING)

    def close(self, reason: CloseConnection) -> None:
        """Close the connection for this reason, unless it is closing already."""
        if self._closing is None and self.reader:
            self._closing = reason
            self.reader.cancel()

    async def _close_websocket(self) -> None:
        if not isinstance(self._closing, CloseConnection):
            return
        # The client doesn't read, or is gone.
        with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
            async with asyncio.timeout(self._limits.close_timeout):
                await self._websocket.close(self._closing.code, self._closing.reason)
