"""The websocket endpoint of the graph: graphql-transport-ws and nothing else.

A Socket is an ASGI application for one route. It decides on the handshake, keeps the list of conversations, looks after
all of them from a single timer, and closes them when the server stops.
"""

import asyncio

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from engine import Engine
from realtime.broadcast import Channels
from realtime.client import Connect, Connection, SocketLimits
from realtime.connection import Conversation
from realtime.messages import SUBPROTOCOL, Refused
from realtime.origins import ours

__all__ = ["Connect", "Connection", "Refused", "Socket", "SocketLimits"]


class Socket:
    """Serves `engine` to peers whom `connect` lets in; it raises Refused for the others.

    A browser's origin must be one of `allowed_origins` (as in "https://www.example.fr") or the host it calls.
    """

    def __init__(
        self,
        engine: Engine,
        connect: Connect,
        limits: SocketLimits,
        allowed_origins: frozenset[str],
    ) -> None:
        self._channels = Channels(engine)
        self._connect = connect
        self._limits = limits
        self._allowed_origins = allowed_origins
        self._conversations: set[Conversation] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        if not self._knows_origin(Headers(scope=scope)):
            await websocket.send_denial_response(Response("Origin not allowed", 403))
        elif self._closing or len(self._conversations) >= self._limits.sockets:
            await websocket.send_denial_response(Response("Try again later", 503, {"Retry-After": "5"}))
        elif SUBPROTOCOL not in websocket.scope["subprotocols"]:
            await websocket.accept()
            await websocket.close(4406, "Subprotocol not acceptable")
        else:
            await websocket.accept(SUBPROTOCOL)
            await self._serve(Conversation(websocket, self._channels, self._connect, self._limits))

    def _knows_origin(self, headers: Headers) -> bool:
        host = headers.get("host", "")
        return all(ours(origin, host, self._allowed_origins) for origin in headers.getlist("origin"))  # none: not a browser

    async def _serve(self, conversation: Conversation) -> None:
        self._conversations.add(conversation)
        if self._timer is None:
            self._check_later()
        try:
            await conversation.serve()
        finally:
            self._conversations.discard(conversation)
            if self._timer and not self._conversations:
                self._timer.cancel()
                self._timer = None

    def _check_later(self) -> None:
        every = min(self._limits.send_timeout, self._limits.ping_interval) / 4
        self._timer = asyncio.get_running_loop().call_later(every, self._check)

    def _check(self) -> None:
        self._check_later()
        now = asyncio.get_running_loop().time()
        for conversation in self._conversations:
            conversation.check(now)

    async def close_all(self) -> None:
        """Closes every socket with 1012, waits until all are cleaned up, and refuses new ones."""
        self._closing = True
        for conversation in self._conversations:
            conversation.end(Refused(1012, "Server restarts"))
        readers = {each.reader for each in self._conversations if each.reader}
        if readers:
            await asyncio.wait(readers)
        await self._channels.closed()
