"""GraphQL over server-sent events, where websockets are blocked.

Source: PROTOCOL.md of npm's graphql-sse, "distinct connections mode": one request for each
operation, whose results arrive as `next` events, followed by `complete`. An operation that can't be
executed has one result, which contains the errors.

The endpoint of websockets serves the request as a websocket that has sent `connection_init` and one
`subscribe`. So limits, checks of access, delivery and the end of a session are those of a
websocket, and need no code here.

The event of a stream of stored events has its sequence as its id. A client that sends the last id
in `Last-Event-ID`, as a browser's EventSource does when it reconnects, resumes after it, whatever
`after` says.

A connection that has to end before its operation is complete ends without `complete`, after which
clients reconnect. What can be said before the response begins has an HTTP status.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.types import Message, Scope, Send

from engine import Params, decode_json, encode_json
from engine.http import HTTPRequest, http_error
from models.errors import (
    DomainError,
    Forbidden,
    OriginRefused,
    ServiceUnavailable,
    Unauthenticated,
    message_for,
)
from models.locale import preferred_locale
from realtime import messages
from realtime.close_codes import CloseCode, CloseConnection
from realtime.connection import READ_ONLY_KEY, RESUME_AFTER_KEY, SEQUENCE_KEY
from realtime.endpoint import SocketEndpoint
from realtime.http_protocol import ON_SHUTDOWN
from realtime.uvicorn_protocol import FRAME_BYTES

OPERATION_ID = "1"

_NEXT_PREFIX = messages.next_message_start(OPERATION_ID).decode()
_KEEP_ALIVE = b":\n\n"
_COMPLETE = b"event: complete\ndata: \n\n"
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx must not collect events
    (b"x-content-type-options", b"nosniff"),
    (b"vary", b"Accept"),
]
# For a connection that is closed before its response begins. Any other code is our own failure.
_STATUS: dict[int, int] = {
    CloseCode.UNAUTHORIZED: 401,
    CloseCode.FORBIDDEN: 403,
    CloseCode.TRY_AGAIN_LATER: 503,
    CloseCode.SERVICE_RESTART: 503,
}


class EventStreamEndpoint:
    """Answers operations as server-sent events, through the endpoint of websockets."""

    def __init__(self, sockets: SocketEndpoint) -> None:
        self._sockets = sockets

    async def __call__(self, request: HTTPRequest, params: Params, send: Send) -> None:
        """Answer a request whose body has been read. Raises HTTPError for a Last-Event-ID that is
        not a number.
        """
        connection = _Connection(request, params, send)
        shutdown: list[Callable[[], None]] = request.scope.get("extensions", {}).get(
            ON_SHUTDOWN, []
        )
        shutdown.append(connection.disconnect)
        try:
            await self._sockets(connection.scope, connection.receive, connection.send)
        finally:
            shutdown.remove(connection.disconnect)
            await connection.end()


class _Connection:
    """The ASGI side of a websocket, read from and written to an HTTP request."""

    def __init__(self, request: HTTPRequest, params: Params, send: Send) -> None:
        self._request, self._send = request, send
        self._received = asyncio.Queue[Message]()
        self._watcher: asyncio.Task[None] | None = None
        self._is_started = self._is_ended = False
        self.scope = _websocket_scope(request)
        for event in (
            {"type": "websocket.connect"},
            _text_event({"type": "connection_init"}),
            _subscribe_event(params),
        ):
            self._received.put_nowait(event)

    async def receive(self) -> Message:
        """The next ASGI event: the request as a message, then the disconnection."""
        if self._watcher is None:
            self._watcher = asyncio.get_running_loop().create_task(self._watch())
        return await self._received.get()

    async def _watch(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self.disconnect()

    def disconnect(self) -> None:
        """End the websocket: the client is gone, the operation is complete, or the server stops."""
        self._received.put_nowait({"type": "websocket.disconnect", "code": 1001})

    async def send(self, message: Message) -> None:
        """Write what a websocket sends as events."""
        match message["type"]:
            case "websocket.send":
                await self._write(message["text"], message.get(SEQUENCE_KEY))
            case "websocket.close":
                await self._close(message["code"])
            case "websocket.http.response.start":  # the handshake is refused
                await self._refuse(
                    message["status"], OriginRefused() if message["status"] == 403 else None
                )

    async def _write(self, text: str, sequence: int | None) -> None:
        if self._is_ended:
            return
        if text == messages.ACK:
            await self._start(200, _HEADERS)
        elif text == messages.PING:
            await self._write_bytes(_KEEP_ALIVE)
            self._received.put_nowait(_text_event({"type": "pong"}))  # it has been written
        elif text == messages.complete(OPERATION_ID):
            await self._complete()
        elif text.startswith(_NEXT_PREFIX):
            await self._write_bytes(_next_event(text[len(_NEXT_PREFIX) : -1].encode(), sequence))
        else:
            errors = decode_json(text, depth=messages.MAX_DEPTH)["payload"]
            await self._write_bytes(_next_event(encode_json({"errors": errors}), None))
            await self._complete()

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._is_started = True
        start = {"type": "http.response.start", "status": status, "headers": list(headers)}
        await self._send(start)

    async def _write_bytes(self, body: bytes) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def _complete(self) -> None:
        await self._write_bytes(_COMPLETE)
        await self.end()
        self.disconnect()

    async def _close(self, code: int) -> None:
        if self._is_started:
            await self.end()
        else:
            await self._refuse(_STATUS.get(code, 500))

    async def _refuse(self, status: int, error: DomainError | None = None) -> None:
        """Answer with a status and its error in the client's language."""
        body: dict[str, Any] = {"message": "Internal error", "extensions": {"code": "INTERNAL"}}
        headers = [(b"content-type", b"application/graphql-response+json; charset=utf-8")]
        match status:
            case 401:
                error = Unauthenticated()
                headers.append((b"www-authenticate", b'Bearer error="invalid_token"'))
            case 403:
                error = error or Forbidden()
            case 503:
                error = ServiceUnavailable("server-sent events")
                headers.append((b"retry-after", str(error.retry_after).encode()))
        if error:
            locale = preferred_locale(self._request.header(b"accept-language"))
            body = {"message": message_for(error, locale), "extensions": {"code": error.code}}
        if isinstance(error, ServiceUnavailable):
            body["extensions"]["retryAfter"] = error.retry_after
        await self._start(status, headers)
        self._is_ended = True
        await self._send({"type": "http.response.body", "body": encode_json({"errors": [body]})})

    async def end(self) -> None:
        """End the response, unless it has ended."""
        if self._watcher:
            self._watcher.cancel()
        if self._is_started and not self._is_ended:
            self._is_ended = True
            await self._send({"type": "http.response.body", "body": b""})


def _websocket_scope(request: HTTPRequest) -> Scope:
    scheme = "wss" if request.scope.get("scheme") == "https" else "ws"
    extensions: dict[str, Any] = {
        "websocket.http.response": {},
        READ_ONLY_KEY: request.method == "GET",
        RESUME_AFTER_KEY: _last_event_id(request.header(b"last-event-id")),
    }
    return {
        **request.scope,
        "type": "websocket",
        "scheme": scheme,
        "subprotocols": [messages.SUBPROTOCOL],
        "extensions": extensions,
    }


def _last_event_id(header: str | None) -> int | None:
    if not header:
        return None
    if header.isascii() and header.isdecimal() and len(header) < 19:
        return int(header)
    raise http_error(400, "Last-Event-ID must be the id of an event.")


def _payload(params: Params) -> dict[str, Any]:
    return {
        "query": params.query,
        "documentId": params.document_id,
        "operationName": params.operation_name,
        "variables": params.variables,
        "extensions": params.extensions,
    }


def _subscribe_event(params: Params) -> Message:
    """The operation as a websocket's message. Raises HTTPError when it is too large or nested."""
    event = _text_event({"id": OPERATION_ID, "type": "subscribe", "payload": _payload(params)})
    try:
        messages.parse(event["text"], FRAME_BYTES)
    except CloseConnection as error:
        status = 413 if error.code is CloseCode.MESSAGE_TOO_BIG else 400
        raise http_error(status, error.reason) from None
    return event


def _text_event(message: dict[str, Any]) -> Message:
    return {"type": "websocket.receive", "text": encode_json(message).decode()}


def _next_event(payload: bytes, sequence: int | None) -> bytes:
    event_id = b"" if sequence is None else b"id: %d\n" % sequence
    return b"event: next\n%bdata: %b\n\n" % (event_id, payload)
