"""GraphQL over HTTP as specified: every invalid request gets its 4xx status and never a 500.

The status is 200 whenever something was executed, even partially. A request that is rejected
earlier (syntax, validation, variables, limits) gets 400 in `application/graphql-response+json`, and
200 in `application/json`, because older clients read errors only from a 200. A malformed HTTP
request gets 4xx in both.

A response is encoded once, and compressed when the client accepts that. The BREACH attack derives a
secret from the sizes of compressed responses. It needs an attacker's text and a victim's secret in
one response, requested by the victim's browser. The application must prevent that: its `context`
rejects credentials that a browser sends automatically (cookies) unless the request comes from one
of its own pages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any

from isal import isal_zlib
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from engine.documents.operation import Operation
from engine.documents.params import Params
from engine.encoding import encode_json
from engine.engine import Engine
from engine.errors import RequestError, internal_error
from engine.http.headers import (
    APPLICATION_JSON,
    GRAPHQL_RESPONSE_JSON,
    accepts_event_stream,
    accepts_html,
    min_gzip_size,
    prefers_event_stream,
    response_media_type,
)
from engine.http.request import HTTPError, HTTPRequest, http_error, read_params

Headers = Sequence[tuple[bytes, bytes]]
EventStream = Callable[[HTTPRequest, Params, Send], Awaitable[None]]
WATCH_AFTER = (
    0.2  # seconds after which a running operation starts to watch for the client's disconnection
)
# For 300 kB of JSON: 0.26 ms and 15 % of the size with this level of isal, 1.4 ms and 16 % with
# zlib's fastest. A thread would not help: isal holds the interpreter's lock, and switching to a
# thread takes 0.1 ms.
COMPRESSION_LEVEL = 1
GZIP_FORMAT = 31  # zlib's wbits
HEADERS = {
    media_type: [
        (b"content-type", f"{media_type}; charset=utf-8".encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"vary", b"Accept, Accept-Encoding"),
    ]
    for media_type in (GRAPHQL_RESPONSE_JSON, APPLICATION_JSON)
}


class GraphQLEndpoint:
    """An ASGI application that answers GraphQL requests, for `Route("/graphql",
    GraphQLEndpoint(...))` or without a router.

    `context` returns the context of resolvers for a request, and may raise `HTTPError`. `page`
    returns the response for a browser that opens the URL without an operation.

    The other parameters are functions of the context: `cost_limit` returns the caller's limit (None
    for the engine's), `introspection` whether the caller may read the schema, `trusted_only`
    whether only trusted documents are accepted, `headers` returns additional response headers, such
    as cookies set by a mutation, and `max_response_bytes` the caller's limit on the size of a
    response (None for the engine's).

    `event_stream` answers a request with server-sent events when the client prefers them, and a
    subscription also when the client accepts them.
    """

    def __init__(
        self,
        engine: Engine,
        context: Callable[[HTTPRequest], Awaitable[Any]],
        page: Callable[[Request], Response] | None = None,
        cost_limit: Callable[[Any], int | None] = lambda context: None,
        introspection: Callable[[Any], bool] = lambda context: True,
        trusted_only: Callable[[Any], bool] = lambda context: False,
        headers: Callable[[Any], Headers] = lambda context: (),
        max_response_bytes: Callable[[Any], int | None] = lambda context: None,
        event_stream: EventStream | None = None,
    ) -> None:
        self.engine, self._context, self._page = engine, context, page
        self._cost_limit = cost_limit
        self._introspection = introspection
        self._trusted_only = trusted_only
        self._headers = headers
        self._max_response_bytes = max_response_bytes
        self._event_stream = event_stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = HTTPRequest(scope, receive)
        accept = request.header(b"accept")
        if (
            self._page
            and request.method == "GET"
            and accepts_html(accept)
            and not _has_operation(scope["query_string"])
        ):
            await self._page(Request(scope, receive))(scope, receive, send)
            return
        try:
            await self._respond(request, accept, send)
        except ClientDisconnect:
            return

    async def _respond(self, request: HTTPRequest, accept: str | None, send: Send) -> None:
        media_type = response_media_type(accept)
        headers: Headers = ()
        try:
            if request.method not in {"GET", "POST"}:
                raise http_error(405, "GraphQL is served by GET and POST.", Allow="GET, POST")
            if self._event_stream and prefers_event_stream(accept):
                params = await read_params(request, self.engine.limits)
                await self._event_stream(request, params, send)
                return
            if media_type is None:
                raise http_error(
                    406, f"The response can be {GRAPHQL_RESPONSE_JSON} or {APPLICATION_JSON}."
                )
            # Before the body is read: the application may delay some requests.
            context = await self._context(request)
            params = await read_params(request, self.engine.limits)
            operation = self._prepare(params, context)
            if (
                self._event_stream
                and operation.kind == "subscription"
                and accepts_event_stream(accept)
            ):
                await self._event_stream(request, params, send)
                return
            (body, headers), status = await self._execute(request, operation, context), 200
        except RequestError as error:
            body = encode_json({"errors": error.errors})
            status = 400 if media_type == GRAPHQL_RESPONSE_JSON else 200
        except HTTPError as error:
            body, status = encode_json({"errors": [error.error]}), error.status
            headers = [
                (name.lower().encode(), value.encode()) for name, value in error.headers.items()
            ]
        except ClientDisconnect:
            raise
        except Exception as error:
            body, status = encode_json({"errors": [internal_error(error)]}), 500
        await _send(send, status, media_type or GRAPHQL_RESPONSE_JSON, body, request, headers)

    async def _execute(
        self, request: HTTPRequest, operation: Operation, context: Any
    ) -> tuple[bytes, Headers]:
        if operation.kind != "query" and request.method == "GET":
            raise http_error(405, f"Send a {operation.kind} by POST.", Allow="POST")
        if operation.kind == "mutation":  # which finishes in any case
            result = await self.engine.execute(operation, context)
        else:
            with _CancelOnDisconnect(request.receive):
                result = await self.engine.execute(operation, context)
        body = self.engine.encode(operation, result, self._max_response_bytes(context))
        return body, self._headers(context)

    def _prepare(self, params: Params, context: Any) -> Operation:
        return self.engine.prepare(
            params,
            cost_limit=self._cost_limit(context),
            introspection=self._introspection(context),
            trusted_only=self._trusted_only(context),
        )


class _CancelOnDisconnect:
    """Cancels the code inside when the client disconnects, and raises ClientDisconnect.

    Watching takes a task, so only operations that run longer than `WATCH_AFTER` are watched.
    """

    __slots__ = ("_disconnected", "_receive", "_task", "_timer", "_watcher")

    def __init__(self, receive: Receive) -> None:
        self._receive, self._disconnected = receive, False
        self._watcher: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER, self._start_watching)

    def _start_watching(self) -> None:
        self._watcher = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._task:
            self._disconnected = True
            self._task.cancel()

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        if self._watcher:
            self._watcher.cancel()
        # Breaks a reference cycle, which only the collector frees.
        task, self._task, self._watcher = (self._task, None, None)
        if (
            self._disconnected
            and task
            and isinstance(error, asyncio.CancelledError)
            and task.uncancel() == 0
        ):
            raise ClientDisconnect from None


def _has_operation(query_string: bytes) -> bool:
    return any(name in query_string for name in (b"query=", b"documentId=", b"extensions="))


async def _send(
    send: Send,
    status: int,
    media_type: str,
    body: bytes,
    request: HTTPRequest,
    additional_headers: Headers,
) -> None:
    headers = HEADERS[media_type].copy()
    if len(body) >= min_gzip_size(request.header(b"accept-encoding")):
        body = isal_zlib.compress(body, COMPRESSION_LEVEL, GZIP_FORMAT)
        headers.append((b"content-encoding", b"gzip"))
    headers.append((b"content-length", b"%d" % len(body)))
    headers += additional_headers
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
