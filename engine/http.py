"""GraphQL over HTTP, as its specification says, answering every fault with its status and never with a 500.

The statuses: 200 whenever something was executed, even in part. A request refused before that (syntax, validation,
variables, limits) is 400 in `application/graphql-response+json`, and 200 in `application/json`, whose older clients
read errors from a 200 only. A malformed HTTP request is 4xx in both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from engine.accept import JSON, RESPONSE, choose, wants_page
from engine.engine import Engine, Operation
from engine.limits import Params, Rejected
from engine.masking import internal
from engine.request import Refused, read, refused
from engine.wire import dump

__all__ = ["GraphQLEndpoint", "Refused"]

PATIENCE = 0.2  # seconds before a running operation starts to watch whether its client is still there
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Vary": "Accept"}


class GraphQLEndpoint:
    """An ASGI endpoint for `Route("/graphql", GraphQLEndpoint(...))`.

    `context` makes what resolvers get, and may raise `Refused`. `page` answers a browser that asks for no operation.
    `cost_limit` and `introspection` say, from the context, what its caller may spend and whether they may see the schema.
    """

    def __init__(
        self,
        engine: Engine,
        context: Callable[[Request], Awaitable[Any]],
        page: Callable[[Request], Response] | None = None,
        cost_limit: Callable[[Any], int | None] = lambda context: None,
        introspection: Callable[[Any], bool] = lambda context: True,
    ) -> None:
        self._engine, self._context, self._page = engine, context, page
        self._cost_limit, self._introspection = cost_limit, introspection

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        accept = ", ".join(request.headers.getlist("accept")) if "accept" in request.headers else None
        media_type = choose(accept)
        try:
            if self._page and _is_browser(request, accept):
                return self._page(request)
            if request.method not in {"GET", "POST"}:
                raise refused(405, "GraphQL is served by GET and POST.", Allow="GET, POST")
            if media_type is None:
                raise refused(406, f"The answer can be {RESPONSE} or {JSON}.")
            return await self._operate(request, media_type)
        except Refused as error:
            return _respond({"errors": [error.error]}, error.status, media_type or RESPONSE, error.headers)
        except ClientDisconnect:
            raise
        except Exception as error:
            return _respond({"errors": [internal(error)]}, 500, media_type or RESPONSE)

    async def _operate(self, request: Request, media_type: str) -> Response:
        params = await read(request, self._engine.limits)
        context = await self._context(request)
        try:
            operation = self._prepare(params, context)
            if request.method == "GET" and operation.kind != "query":
                raise refused(405, f"Send a {operation.kind} by POST.", Allow="POST")
            async with _while_connected(request):
                result = await self._engine.execute(operation, context)
        except Rejected as error:
            return _respond({"errors": error.errors}, 400 if media_type == RESPONSE else 200, media_type)
        return _respond(result, 200, media_type)

    def _prepare(self, params: Params, context: Any) -> Operation:
        limit, introspection = self._cost_limit(context), self._introspection(context)
        return self._engine.prepare(params, cost_limit=limit, introspection=introspection)


@asynccontextmanager
async def _while_connected(request: Request) -> AsyncIterator[None]:
    """Cancel what runs inside when the client goes away, and raise ClientDisconnect. (A mutation finishes all the same.)

    Watching takes a task, so only an operation that lasts longer than `PATIENCE` is watched.
    """
    working = asyncio.current_task()
    watches: list[asyncio.Task[None]] = []

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        if working:
            working.cancel()

    loop = asyncio.get_running_loop()
    timer = loop.call_later(PATIENCE, lambda: watches.append(loop.create_task(watch())))
    try:
        yield
    except asyncio.CancelledError:
        if working and any(w.done() and not w.cancelled() for w in watches) and working.uncancel() == 0:
            raise ClientDisconnect from None
        raise
    finally:
        timer.cancel()
        for task in watches:
            task.cancel()


def _is_browser(request: Request, accept: str | None) -> bool:
    return request.method == "GET" and wants_page(accept) and "query" not in request.query_params


def _respond(body: dict[str, Any], status: int, media_type: str, headers: dict[str, str] | None = None) -> Response:
    content_type = {"Content-Type": f"{media_type}; charset=utf-8"}
    return Response(dump(body), status, headers={**HEADERS, **(headers or {}), **content_type})
