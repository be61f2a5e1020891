"""uvicorn's websocket, able to hang up on a peer that stopped reading.

Read in uvicorn 0.54's websockets_sansio_impl: `send` first waits while the transport's buffer is above its high-water
mark (64 KiB), then writes in one step. So an awaited send is real backpressure, at most one message beyond the mark,
and two sends never interleave.

Closing is where it falls short: `close` waits for the same mark, and `transport.close()` waits for the buffer to
drain, which a peer that doesn't read never lets happen: the file descriptor and the buffer stay for ever, and a
shutdown waits for them. Only `abort` ends such a connection, so whatever is still open a few seconds after its
application ended, or after the server was told to stop, is aborted.

Run uvicorn with `**UVICORN`: this protocol; our frame limit; no pings of its own, since connection.py's also show that
the application at the other end is alive; no compression, which keeps a window per socket and lets a source run far
ahead of a peer that stopped reading.

What many peers get is written past ASGI: the application finds this protocol in its scope (`EXTENSION`) and hands it whole
frames (`put`), which a peer that reads takes at once. Under another server there is none, and everything goes by `send`.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

EXTENSION = "camcha.wire"  # the scope's extension that holds the protocol
FRAME_BYTES = 65_536
LINGER = 5.0  # seconds for the peer to answer the close frame and take what is buffered

UVICORN: dict[str, Any] = {
    "ws": "realtime.uvicorn_protocol:Wire",
    "ws_max_size": FRAME_BYTES,
    "ws_ping_interval": None,
    "ws_per_message_deflate": False,
}


class Wire(WebSocketsSansIOProtocol):
    def run_asgi(self) -> Coroutine[Any, Any, None]:
        self.scope["extensions"][EXTENSION] = self  # type: ignore[assignment] # uvicorn's own are dicts
        return super().run_asgi()

    def forget(self) -> None:
        """Let go of the handshake's headers, 8 KiB of a browser's. For when nobody will ask about them any more."""
        self.request.headers.clear()
        self.response.headers.clear()
        self.scope["headers"] = []

    def put(self, frame: bytes) -> bool:
        """Write a whole frame in one step. False when the peer reads too slowly for that, or when the connection is ending."""
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
            self.loop.call_later(LINGER, self.transport.abort)


def framed(payload: bytes) -> bytes:
    """A text frame as a server sends it (RFC 6455, 5.2): whole and unmasked."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload
