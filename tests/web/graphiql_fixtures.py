"""GraphiQL's page over a toy graph, in a real server. The one place that says what the browser visits."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any

import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from engine import Engine
from engine.http import GraphQLEndpoint, HTTPRequest
from realtime.client import SocketLimits
from realtime.close_codes import CloseCode
from realtime.endpoint import SocketEndpoint
from realtime.hub import Listener
from realtime.uvicorn_protocol import UVICORN_OPTIONS
from web import graphiql

EMAIL, PASSWORD, TOKEN = "ada@example.fr", "correct horse battery", "t0k3n"


@strawberry.type
class Session:
    access_token: str


@strawberry.type
class UserError:
    message: str


@strawberry.type
class SessionSignInPayload:
    session: Session | None
    user_errors: list[UserError]


@strawberry.input
class SessionSignInInput:
    email: str
    password: str
    code: str | None = None


@strawberry.type
class Offer:
    name: str


@strawberry.type
class Offers:
    nodes: list[Offer]


@strawberry.type
class Query:
    @strawberry.field
    async def caller(self, info: strawberry.Info) -> str:
        return str(info.context)

    @strawberry.field
    async def offers(self, first: int = 3) -> Offers:
        return Offers(nodes=[Offer(name="TPE Essentielle")][:first])


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def session_sign_in(self, input: SessionSignInInput) -> SessionSignInPayload:
        if (input.email, input.password) == (EMAIL, PASSWORD):
            return SessionSignInPayload(session=Session(access_token=TOKEN), user_errors=[])
        return SessionSignInPayload(session=None, user_errors=[UserError(message="Identifiants inconnus.")])


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def calls(self, info: strawberry.Info) -> AsyncGenerator[str, None]:
        for number in (1, 2):
            yield f"call {number} of {info.context}"
            await asyncio.sleep(1)  # long enough to be seen on the page
        await asyncio.Event().wait()


class Caller:
    """Who opened a socket."""

    cost_limit = None
    introspection = True
    trusted_only = False

    def __init__(self, authorization: str) -> None:
        self._authorization = authorization

    def context(self) -> str:
        return self._authorization

    def add_listener(self, listener: Listener) -> None:
        pass

    def remove_listener(self, listener: Listener) -> None:
        pass

    async def close_code(self) -> CloseCode | None:
        return None


def application() -> Starlette:
    """A toy graph at /graphql, for browsers and sockets, and the page's assets."""
    engine = Engine(strawberry.Schema(Query, Mutation, Subscription)._schema)

    async def context(request: HTTPRequest) -> str:
        return request.header(b"authorization") or "nobody"

    async def connect(payload: dict[str, Any], websocket: WebSocket) -> Caller:
        return Caller(payload.get("authorization", "nobody"))

    return Starlette(
        routes=[
            Route("/graphql", GraphQLEndpoint(engine, context, page=graphiql.page)),
            WebSocketRoute("/graphql", SocketEndpoint(engine, connect, SocketLimits())),
            *graphiql.routes(),
        ]
    )


@contextmanager
def house() -> Iterator[str]:
    """The running server's address, as in "http://127.0.0.1:1234"."""
    config = uvicorn.Config(
        application(), port=0, **UVICORN_OPTIONS, log_config=None, lifespan="off", timeout_graceful_shutdown=5
    )
    server, ready = uvicorn.Server(config), threading.Event()
    thread = threading.Thread(target=asyncio.run, args=(_run(server, ready),))
    thread.start()
    try:
        assert ready.wait(10)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


async def _run(server: uvicorn.Server, ready: threading.Event) -> None:
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    ready.set()
    await serving
