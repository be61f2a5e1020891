"""What the application tells the websocket endpoint: who the client is, and its limits."""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.websockets import WebSocket

from realtime.close_codes import CloseCode
from realtime.hub import Listener
from realtime.messages import JSON
from realtime.uvicorn_protocol import FRAME_BYTES


class Client(Protocol):
    """The client of one connection, as the application identified it from `connection_init`."""

    @property
    def cost_limit(self) -> int | None: ...

    @property
    def max_response_bytes(self) -> int | None: ...

    @property
    def introspection(self) -> bool: ...

    @property
    def trusted_only(self) -> bool: ...

    @property
    def person(self) -> Hashable | None:
        """The signed-in person; None for an anonymous client."""

    def seconds_left(self) -> float | None:
        """The seconds for which the client's credentials are valid, at most 0 when they have
        expired. None when they don't expire.
        """

    def context(self) -> Any:
        """A new context, for one operation or one event of a subscription."""

    def connected(self) -> None:
        """Called once the connection is open for this client."""

    def disconnected(self) -> None:
        """Called once the connection has ended, after `connected`."""

    def add_listener(self, listener: Listener) -> None:
        """Call the listener whenever the client's session may have ended or its rights may have
        changed.
        """

    def remove_listener(self, listener: Listener) -> None:
        """Stop calling the listener."""

    async def close_code(self) -> CloseCode | None:
        """The code to close the connection with: UNAUTHORIZED when the session has ended or
        expired, FORBIDDEN when it has other rights than at `connection_init`. None while nothing
        has changed.
        """


OnConnect = Callable[[JSON, WebSocket], Awaitable[Client]]
"""Identifies the client from the payload of `connection_init` and the handshake, or raises
CloseConnection.
"""


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """Limits of each connection, and of connections together. Times in seconds."""

    # For `connection_init`, counted from the handshake while the server is able to read.
    init_timeout: float = 5.0
    identify_timeout: float = 30.0  # until the client is identified
    operations: int = 100  # open at once
    running: int = 10  # queries and mutations that are executed or wait to be sent
    messages_per_minute: int = 600  # a token bucket: as many at once, then refilled evenly
    frame_bytes: int = FRAME_BYTES  # under uvicorn its ws_max_size applies first
    send_timeout: float = 30.0  # how long one message may wait for a client that doesn't read
    # for the close frame to be written; otherwise uvicorn_protocol.py aborts the connection
    close_timeout: float = 1.0
    ping_interval: float = (
        20.0  # of silence before a ping, and again before the connection is closed
    )
    connections: int = 10_000  # of all clients together
    connections_per_network: int = 5_000
    connections_per_person: int = 100
    anonymous: int = 1_000  # connections of all clients that are not signed in
    anonymous_per_network: int = 20
    anonymous_seconds: float = 60.0  # the duration of such a connection
