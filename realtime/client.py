"""What the application tells the websocket endpoint: who is at the other end, and how much a peer may ask for."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.websockets import WebSocket

from realtime.hub import Sleeper
from realtime.messages import JSON
from realtime.uvicorn_protocol import FRAME_BYTES


class Connection(Protocol):
    """Who is at the other end, as the application found after connection_init."""

    @property
    def cost_limit(self) -> int | None: ...

    @property
    def introspection(self) -> bool: ...

    @property
    def trusted_only(self) -> bool: ...

    def context(self) -> Any:
        """A new context, for one operation or one event of a subscription."""

    def listen(self, sleeper: Sleeper) -> None:
        """Wake it whenever the session may have ended, or its rights have changed."""

    def unlisten(self, sleeper: Sleeper) -> None:
        """Wake it no longer."""

    async def ended(self) -> int | None:
        """The close code once the session was revoked or expired (4401) or may do something else than it might when the
        socket was opened (4403: it may connect again); None while it stands."""


Connect = Callable[[JSON, WebSocket], Awaitable[Connection]]


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """Per socket, unless said otherwise. Times in seconds."""

    init_timeout: float = 5.0  # from the handshake to the acknowledgement
    operations: int = 100  # at once
    messages_per_minute: int = 600  # as a bucket: as many at once, then refilled evenly
    frame_bytes: int = FRAME_BYTES  # under uvicorn its ws_max_size refuses first
    send_timeout: float = 30.0  # how long one message may wait for a peer that doesn't read
    ping_interval: float = 20.0  # of silence before a ping, and again before giving the peer up
    sockets: int = 10_000  # of all peers together
