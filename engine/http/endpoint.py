"""GraphQL over HTTP, as its specification says, answering every fault with its status and never with a 500.

The statuses: 200 whenever something was executed, even in part. A request refused before that (syntax, validation,
variables, limits) is 400 in `application/graphql-response+json`, and 200 in `application/json`, whose older clients
read errors from a 200 only. A malformed HTTP request is 4xx in both.

An answer is encoded once, and compressed where the client takes that. BREACH, which reads a secret out of the sizes of
compressed answers, needs an attacker's words and a victim's secret in one answer, asked for by the victim's browser. The
application must not let another's page have that: its `context` refuses credentials that a browser sends by itself (cookies)
unless a page of its own made the call.
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

from engine.documents.limits import Params, Rejected
from engine.encoding import dump
from engine.engine import Engine, Operation
from engine.errors import internal
from engine.http.headers import JSON, RESPONSE, choose, gzip_from, wants_page
from engine.http.request import Call, Refused, read, refused

__all__ = ["Call", "GraphQLEndpoint", "Refused"]

Headers = Sequence[tuple[bytes, bytes]]
PATIENCE = 0.2  # seconds before a running operation starts to watch whether its client is still there
# Of 300 kB of invoices: 0.26 ms and 15 % at this level of isal, 1.4 ms and 16 % at zlib's fastest. A thread would not help:
# isal holds the interpreter's lock, and the hop alone takes 0.1 ms.
LEVEL = 1
GZIP = 31  # zlib's wbits for the gzip format
HEADERS = {
    media_type: [
        (b"content-type", f"{media_type}; charset=utf-8".encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"vary", b"Accept, Accept-Encoding"),
    ]
    for media_type in (RESPONSE, JSON)
}


class GraphQLEndpoint:
    """An ASGI application that answers GraphQL, for `Route("/graphql", GraphQLEndpoint(...))` or in front of all routes.

    `context` makes what resolvers get, and may raise `Refused`. `page` answers a browser that asks for no operation.
    From the context, `cost_limit` says what its caller may spend, `introspection` whether they may see the schema, and
    `trusted_only` whether they are held to the engine's trusted documents. `headers` tells what the operation adds to the
    answer's headers, such as cookies.
    """

    def __init__(
        self,
        engine: Engine,
        context: Callable[[Call], Awaitable[Any]],
        page: Callable[[Request], Response] | None = None,
        cost_limit: Callable[[Any], int | None] = lambda context: None,
        introspection: Callable[[Any], bool] = lambda context: True,
        trusted_only: Callable[[Any], bool] = lambda context: False,
        headers: Callable[[Any], Headers] = lambda context: (),
    ) -> None:
        self.engine, self._context, self._page = engine, context, page
        self._cost_limit, self._introspection, self._trusted_only = cost_limit, introspection, trusted_only
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call(scope, receive)
        accept = call.header(b"accept")
        if self._page and call.method == "GET" and wants_page(accept) and not _asks(scope["query_string"]):
            await self._page(Request(scope, receive))(scope, receive, send)
            return
        try:
            await self._answer(call, choose(accept), send)
        except ClientDisconnect:
            return

    async def _answer(self, call: Call, media_type: str | None, send: Send) -> None:
        headers: Headers = ()
        try:
            if call.method not in {"GET", "POST"}:
                raise refused(405, "GraphQL is served by GET and POST.", Allow="GET, POST")
            if media_type is None:
                raise refused(406, f"The answer can be {RESPONSE} or {JSON}.")
            (body, headers), status = await self._operate(call), 200
        except Rejected as error:
            body, status = dump({"errors": error.errors}), 400 if media_type == RESPONSE else 200
        except Refused as error:
            body, status = dump({"errors": [error.error]}), error.status
            headers = [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
        except ClientDisconnect:
            raise
        except Exception as error:
            body, status = dump({"errors": [internal(error)]}), 500
        await _send(send, status, media_type or RESPONSE, body, call, headers)

    async def _operate(self, call: Call) -> tuple[bytes, Headers]:
        context = await self._context(call)  # before anything is read: the application may let some wait
        params = await read(call, self.engine.limits)
        operation = self._prepare(params, context)
        if operation.kind != "query" and call.method == "GET":
            raise refused(405, f"Send a {operation.kind} by POST.", Allow="POST")
        with _WhileConnected(call.receive):
            result = await self.engine.execute(operation, context)
        return dump(result), self._headers(context)

    def _prepare(self, params: Params, context: Any) -> Operation:
        return self.engine.prepare(
            params,
            cost_limit=self._cost_limit(context),
            introspection=self._introspection(context),
            trusted_only=self._trusted_only(context),
        )


class _WhileConnected:
    """Cancels what runs inside when the client goes away, and raises ClientDisconnect. (A mutation finishes all the same.)

    Watching takes a task, so only an operation that lasts longer than `PATIENCE` is watched.
    """

    __slots__ = ("_gone", "_receive", "_timer", "_watch", "_working")

    def __init__(self, receive: Receive) -> None:
        self._receive, self._gone = receive, False
        self._watch: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        self._working = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._begin)

    def _begin(self) -> None:
        self._watch = asyncio.get_running_loop().create_task(self._until_gone())

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._working:
            self._gone = True
            self._working.cancel()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._timer.cancel()
        if self._watch:
            self._watch.cancel()
        working, self._working, self._watch = self._working, None, None  # else they hold each other until the collector comes
        if self._gone and working and isinstance(error, asyncio.CancelledError) and working.uncancel() == 0:
            raise ClientDisconnect from None


def _asks(query_string: bytes) -> bool:
    return any(name in query_string for name in (b"query=", b"documentId=", b"extensions="))


async def _send(send: Send, status: int, media_type: str, body: bytes, call: Call, extra: Headers) -> None:
    headers = HEADERS[media_type].copy()
    if len(body) >= gzip_from(call.header(b"accept-encoding")):
        body = isal_zlib.compress(body, LEVEL, GZIP)
        headers.append((b"content-encoding", b"gzip"))
    headers.append((b"content-length", b"%d" % len(body)))
    headers += extra
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
