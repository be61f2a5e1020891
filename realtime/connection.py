"""One websocket from its connection_init to its end. What it runs meanwhile: operations.py.

Tasks: the server's own, which reads, and one for each running operation. A subscription to a stream of stored events has one
only until it has told all there is; then a channel writes what comes straight to the wire (broadcast.py, `put`), and hands the
subscription back (`release`) when it can't. So an idle socket costs its reader.

Nothing is queued. An operation pulls a result, waits until it is written, and only then pulls the next: a peer that
reads slowly slows its own operations down, and costs the transport's buffer (see uvicorn_protocol.py) and one result an
operation.
A frame is `put` only when no message waits to be sent, so it can't overtake one.

Revocation: the application wakes the conversation whenever its session may have ended. From that moment nothing is `put`,
until a look at the session told whether it still stands.

Timers: none once the connection is acknowledged. Each conversation notes when its send began and when its peer was last
heard, and `check`, called for all of them from one timer, sees who is stalled, silent or due for a ping.

Ends: whoever wants the socket closed calls `end`, which keeps the first verdict and interrupts the reader. The reader
alone cancels the operations and closes, so nothing can be written after the close and nothing is closed twice.
"""

import asyncio
import logging
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from realtime import messages as protocol
from realtime.broadcast import Channels, Follower
from realtime.client import Connect, Connection, SocketLimits
from realtime.messages import JSON, Complete, ConnectionInit, Message, Ping, Refused, Subscribe
from realtime.operations import Gone, Operations
from realtime.uvicorn_protocol import EXTENSION, Wire

log = logging.getLogger(__name__)

HANG_UP = 1.0  # seconds for the close frame to be written; without it uvicorn_protocol.py aborts the connection
REVOKED = {4401: "Unauthorized", 4403: "Forbidden"}


class Conversation:
    _connection: Connection | None = None

    def __init__(self, websocket: WebSocket, channels: Channels, connect: Connect, limits: SocketLimits) -> None:
        self._websocket, self._connect, self._limits = websocket, connect, limits
        self._wire: Wire | None = websocket.scope.get("extensions", {}).get(EXTENSION)
        self._loop = asyncio.get_running_loop()
        self._operations = Operations(self, channels, limits.operations)
        self._turn = asyncio.Lock()
        self._sending_since = 0.0
        self._pinged_at = 0.0
        self._heard_at = self._loop.time()
        self._allowance = float(limits.messages_per_minute)
        self._verdict: Refused | Gone | None = None
        self.doubted = 0  # looks under way whether the session still stands
        self.reader = asyncio.current_task()

    async def serve(self) -> None:
        """Talks until either side ends it. Returns when every operation has been cleaned up."""
        try:
            await self._converse()
        finally:
            if self._connection:
                self._connection.unlisten(self)
            self._operations.end()
            await self._hang_up()
            await self._operations.settle()

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

    async def _introduction(self) -> JSON:
        while not isinstance(message := await self._receive(), ConnectionInit):
            if isinstance(message, Subscribe):
                raise Refused(4401, "Unauthorized")
            await self._obey(message)
        return message.payload or {}

    async def _acknowledge(self, payload: JSON) -> None:
        try:
            self._connection = await self._connect(payload, self._handshake())
        except Refused:
            raise
        except Exception:
            log.exception("connect failed")
            raise Refused(4500, "Internal server error") from None
        if self._wire:
            self._wire.forget()
        self._connection.listen(self)
        self.wake()  # for what happened before it listened
        await self.send(protocol.ACK)

    def _handshake(self) -> WebSocket:
        """What the application may ask about the handshake, as an object of its own: one that was asked keeps the headers."""
        return WebSocket(self._websocket.scope, self._websocket.receive, self._websocket.send)

    def wake(self) -> None:
        """The session may have ended: nothing is put until that is known."""
        self.doubted += 1
        self._operations.spawn(self._look())

    @property
    def connection(self) -> Connection:
        """Who is at the other end, once acknowledged."""
        assert self._connection is not None, "operations begin after the acknowledgement"  # noqa: S101
        return self._connection

    async def _look(self) -> None:
        try:
            code = await self.connection.ended()
        except Exception:
            log.exception("nobody knows whether the session is revoked")
            code = 4500
        if code:
            self.end(Refused(code, REVOKED.get(code, "")))
        else:
            self.doubted -= 1

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
                await self._operations.start(message)
            case Complete(key):
                self._operations.stop(key)
            case Ping(payload):
                await self.send(protocol.pong(payload))
            case ConnectionInit():
                raise Refused(4429, "Too many initialisation requests")

    def put(self, frame: bytes) -> bool:
        """Writes a whole frame at once, unless the peer reads slowly, a message is on its way, or the session is in doubt."""
        free = self._wire is not None and not self.doubted and self._verdict is None and not self._turn.locked()
        return free and self._wire.put(frame)  # type: ignore[union-attr] # not None

    def release(self, follower: Follower) -> None:
        """Tells this follower alone, until it is ready again."""
        if self._verdict is None:  # else it leaves with all the others
            self._operations.release(follower)

    async def send(self, text: str) -> None:
        """Writes a message once the peer has read enough. Raises Gone when it left."""
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
            self._operations.spawn(self._ping())

    async def _ping(self) -> None:
        with suppress(Gone):
            await self.send(protocol.PING)

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
