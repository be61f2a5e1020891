"""uvicorn's websocket protocol, able to disconnect a client that has stopped reading.

How uvicorn 0.54 works (websockets_sansio_impl.py): `send` first waits while the transport's buffer
is above its high-water mark (64 KiB), then writes in one step. So awaiting a send is real
backpressure, with at most one message beyond the mark, and two sends never interleave.

Closing is where it falls short: `close` waits for the same mark, and `transport.close()` waits for
the buffer to drain, which never happens when the client doesn't read. The file descriptor and the
buffer are never freed, and a shutdown waits for them. Only `abort` ends such a connection, so a
connection that is still open a few seconds after its application has ended, or after the server was
asked to stop, is aborted.

Receiving falls short as well: uvicorn parses everything that was read at once, and answers each
ping although the client reads nothing. 64 KiB of empty frames take a tenth of a second, and pongs
fill memory. So what was read is parsed in slices, and the rest waits while a message waits for the
application. Pings, pongs and fragments of messages are limited (`control_frames`), and a ping of a
client that doesn't read is not answered, which RFC 6455 allows (section 5.5.3).

Run uvicorn with `**uvicorn_options(limits)`: this protocol and that of http_protocol.py; our frame
limit; no pings of its own, because those of connection.py also show that the application at the
other end is alive; no compression, which keeps a window for each connection and would let a source
run far ahead of a client that has stopped reading.

Frames for many clients are written without going through ASGI: the application finds this protocol
in its scope (`ASGI_EXTENSION`) and passes whole frames to `try_write`, which succeeds at once when
the client reads. Other servers don't offer this extension; everything is then sent through ASGI.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, ClassVar

from starlette.responses import Response
from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode as ProtocolCloseCode
from websockets.frames import Frame
from websockets.protocol import State

from realtime.connection_limits import ConnectionLimits, ConnectionRegistry
from realtime.http_protocol import LINGER_SECONDS, HttpProtocol

ASGI_EXTENSION = "camcha.websocket"  # the extension in the ASGI scope that holds the protocol
FRAME_BYTES = 65_536
SLICE_BYTES = 2_048  # parsed in one step: at most 340 frames, which take a few milliseconds
FRAGMENTS = 256  # of one message
BYTES_AFTER_CLOSE = 4_194_304  # that a client may send before it answers the close frame
BURST_SECONDS = 10  # whose control frames may come at once


class UvicornProtocol(WebSocketsSansIOProtocol):
    # The registry that its HTTP connections have: see `uvicorn_options`.
    registry: ClassVar[ConnectionRegistry] = HttpProtocol.registry
    close_seconds = 5.0  # for the client to answer the close frame and to read what is buffered

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        http: Any = self.transport.get_protocol()
        self.network: str | None = http.network
        self._unparsed = b""
        self._is_discarding = False
        self._bytes_after_close = 0
        self._control_frames = float(BURST_SECONDS * self.registry.limits.control_frames)
        self._counted_at = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unparsed = b""
        self.registry.close(self.network)

    def data_received(self, data: bytes) -> None:
        if self.close_sent:
            self._bytes_after_close += len(data)
            if self._bytes_after_close > BYTES_AFTER_CLOSE:
                self.transport.abort()
                return
        if self._is_discarding:
            return
        if self._unparsed:
            data, self._unparsed = self._unparsed + data, b""
        for start in range(0, len(data), SLICE_BYTES):
            if self.read_paused:
                self._unparsed = data[start:]
                return
            if self.handshake_initiated and not self.handshake_complete:
                self.transport.abort()  # RFC 6455, section 4.1: a client waits for the response
                return
            super().data_received(data[start : start + SLICE_BYTES])
            if self._is_discarding or self.transport.is_closing():
                return

    async def receive(self) -> Any:
        event = await super().receive()
        if self._unparsed and not self.read_paused:
            self.data_received(b"")
        return event

    def handle_ping(self) -> None:
        if not self._count_control_frame():
            return
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def handle_pong(self, event: Frame) -> None:
        if self._count_control_frame():
            super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= FRAGMENTS:
            self._fail(ProtocolCloseCode.MESSAGE_TOO_BIG, "Too many fragments")
        elif self._count_control_frame():
            super().handle_cont(event)

    def _count_control_frame(self) -> bool:
        """Count a frame that completes no message. False when it must be ignored."""
        if self._is_discarding or self.transport.is_closing():
            return False
        rate, now = self.registry.limits.control_frames, self.loop.time()
        self._control_frames += (now - self._counted_at) * rate
        self._control_frames = min(rate * BURST_SECONDS, self._control_frames) - 1
        self._counted_at = now
        if self._control_frames >= 0:
            return True
        self.registry.limit_log.record("control_frames")
        self._fail(ProtocolCloseCode.POLICY_VIOLATION, "Too many control frames")
        return False

    def _fail(self, code: ProtocolCloseCode, reason: str) -> None:
        """Close the connection, without waiting for the client."""
        if self._is_discarding or self.transport.is_closing():
            return
        if self.close_sent:
            self.transport.abort()
            return
        self.conn.fail(code, reason)
        self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        """Close the connection for a frame that is not accepted. What still arrives is discarded
        for a moment, so that the close frame arrives as well (see http_protocol.py).
        """
        sent = self.conn.close_sent
        code, reason = (sent.code, sent.reason) if sent else (1006, "")
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = self._is_discarding = True
        self._unparsed = b""
        self.transport.write_eof()
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def run_asgi(self) -> Coroutine[Any, Any, None]:
        self.scope["extensions"][ASGI_EXTENSION] = self  # type: ignore[assignment] # uvicorn's own are dicts
        return super().run_asgi()

    def drop_headers(self) -> None:
        """Free the headers of the handshake, 8 KiB from a browser, once nothing will read them
        again.
        """
        self.request.headers.clear()
        self.response.headers.clear()
        self.scope["headers"] = []

    def try_write(self, frame: bytes) -> bool:
        """Write a whole frame in one step. False when the client reads too slowly for that or the
        connection is closing.
        """
        if self.conn.state is not State.OPEN or self.disconnected or not self.writable.is_set():
            return False
        self.transport.write(frame)
        return True

    def on_task_complete(self, task: "asyncio.Task[None]") -> None:
        super().on_task_complete(task)
        self._abort_later()

    def shutdown(self) -> None:
        super().shutdown()
        self._abort_later()

    def _abort_later(self) -> None:
        if not self.disconnected:
            self.loop.call_later(self.close_seconds, self.transport.abort)


async def refuse_handshake(websocket: WebSocket, response: Response) -> None:
    """Answer a handshake with a response of HTTP. uvicorn would log an error each time: it knows of
    handshakes that were accepted or closed only.
    """
    await websocket.send_denial_response(response)
    protocol: UvicornProtocol | None = websocket.scope["extensions"].get(ASGI_EXTENSION)
    if protocol:
        protocol.handshake_complete = True


def text_frame(payload: bytes) -> bytes:
    """A text frame as a server sends it (RFC 6455, section 5.2): whole and unmasked."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def uvicorn_options(limits: ConnectionLimits) -> dict[str, Any]:
    """The options with which uvicorn enforces these limits on all connections of one server."""
    registry = {"registry": ConnectionRegistry(limits)}
    return {
        "http": type("LimitedHttpProtocol", (HttpProtocol,), registry),
        "ws": type("LimitedWebSocketProtocol", (UvicornProtocol,), registry),
        "ws_max_size": FRAME_BYTES,
        "ws_ping_interval": None,
        "ws_per_message_deflate": False,
        "timeout_keep_alive": limits.idle_seconds,
    }


UVICORN_OPTIONS = uvicorn_options(ConnectionLimits())
