"""The websocket endpoint: graphql-transport-ws and nothing else."""

import asyncio

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from engine import Engine
from realtime.broadcast import BroadcastRegistry, SubscriptionCounts
from realtime.client import OnConnect, SocketLimits
from realtime.close_codes import CloseCode, CloseConnection
from realtime.connection import SocketConnection
from realtime.messages import SUBPROTOCOL
from realtime.networks import client_network
from realtime.origins import is_origin_allowed
from realtime.socket_registry import SocketRegistry
from realtime.uvicorn_protocol import refuse_handshake


class SocketEndpoint:
    """An ASGI application for one route, which serves `engine` to the clients that `on_connect`
    identifies.

    It accepts or refuses handshakes, keeps the list of connections, checks all of them from one
    timer, and closes them when the server stops. A browser's origin must be one of
    `allowed_origins` (such as "https://www.example.fr") or the host that it calls.
    """

    def __init__(
        self,
        engine: Engine,
        on_connect: OnConnect,
        limits: SocketLimits,
        allowed_origins: frozenset[str] = frozenset(),
    ) -> None:
        self._broadcasts = BroadcastRegistry(engine)
        self._on_connect = on_connect
        self._limits = limits
        self._allowed_origins = allowed_origins
        self._connections: set[SocketConnection] = set()
        self._registry = SocketRegistry(limits)
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False

    @property
    def open_count(self) -> int:
        """How many websockets are open."""
        return len(self._registry)

    def subscription_counts(self) -> SubscriptionCounts:
        """The subscriptions to streams of stored events."""
        return self._broadcasts.counts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        network = client_network(websocket.client.host) if websocket.client else ""
        if not self._allows_origin(Headers(scope=scope)):
            await refuse_handshake(websocket, Response("Origin not allowed", 403))
        elif self._closing or not self._registry.make_room(network):
            await refuse_handshake(
                websocket, Response("Try again later", 503, {"Retry-After": "5"})
            )
        elif SUBPROTOCOL not in websocket.scope["subprotocols"]:
            await websocket.accept()
            await websocket.close(
                CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE, "Subprotocol not acceptable"
            )
        else:
            await self._serve(
                SocketConnection(
                    websocket,
                    network,
                    self._broadcasts,
                    self._registry,
                    self._on_connect,
                    self._limits,
                )
            )

    def _allows_origin(self, headers: Headers) -> bool:
        host = headers.get("host", "")
        # Only browsers send an Origin, so a client without one is allowed.
        return all(
            is_origin_allowed(origin, host, self._allowed_origins)
            for origin in headers.getlist("origin")
        )

    async def _serve(self, connection: SocketConnection) -> None:
        self._connections.add(connection)
        self._registry.add(connection)
        if self._timer is None:
            self._start_timer()
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)
            self._registry.remove(connection)
            if self._timer and not self._connections:
                self._timer.cancel()
                self._timer = None

    def _start_timer(self) -> None:
        interval = min(self._limits.send_timeout, self._limits.ping_interval) / 4
        self._timer = asyncio.get_running_loop().call_later(interval, self._check_connections)

    def _check_connections(self) -> None:
        self._start_timer()
        now = asyncio.get_running_loop().time()
        for connection in self._connections:
            connection.check(now)

    def restart(self) -> None:
        """Close every connection with SERVICE_RESTART, so that clients reconnect."""
        for connection in self._connections:
            connection.close(CloseConnection(CloseCode.SERVICE_RESTART, "Server restarts"))

    async def close_all(self) -> None:
        """Close every connection with SERVICE_RESTART, wait until all have cleaned up, and refuse
        new ones.
        """
        self._closing = True
        self.restart()
        readers = {connection.reader for connection in self._connections if connection.reader}
        if readers:
            await asyncio.wait(readers)
        await self._broadcasts.wait_closed()
