"""uvicorn's websocket protocol, able to disconnect a client that has stopped reading.

How uvicorn 0.54 works (websockets_sansio_impl.py): `send` first waits while the transport's buffer
is above its high-water mark (64 KiB), then writes in one step. So awaiting a send is real
backpressure, with at most one message beyond the mark, and two sends never interleave.

Closing is where it falls short: `close` waits for the same mark, and `transport.close()` waits for
the buffer to drain, which never happens when the client doesn't read. The file descriptor and the
buffer are never freed, and a shutdown waits for them. Only `abort` ends such a connection, so a
connection that is still open a few seconds after its application has ended, or after the server was
asked to stop, is aborted.

Run uvicorn with `**UVICORN_OPTIONS`: this protocol; our frame limit; no pings of its own, because
those of connection.py also show that the application at the other end is alive; no compression,
which keeps a window for each connection and lets a source run far ahead of a client that has
stopped reading.

Frames for many clients are written without going through ASGI: the application finds this protocol
in its scope (`ASGI_EXTENSION`) and passes whole frames to `try_write`, which succeeds at once when
the client reads. Other servers don't offer this extension; everything is then sent through ASGI.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

ASGI_EXTENSION = "camcha.websocket"  # the extension in the ASGI scope that holds the protocol
FRAME_BYTES = 65_536

UVICORN_OPTIONS: dict[str, Any] = {
    "ws": "realtime.uvicorn_protocol:UvicornProtocol",
    "ws_max_size": FRAME_BYTES,
    "ws_ping_interval": None,
    "ws_per_message_deflate": False,
}


class UvicornProtocol(WebSocketsSansIOProtocol):
    close_seconds = 5.0  # for the client to answer the close frame and to read what is buffered

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


def text_frame(payload: bytes) -> bytes:
    """A text frame as a server sends it (RFC 6455, section 5.2): whole and unmasked."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload
