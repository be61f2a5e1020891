"""GraphiQL's page over a small schema in a real server. Also defines the addresses that the browser
visits.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import strawberry
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from engine import Engine
from engine.http import GraphQLEndpoint, HTTPRequest
from realtime.client import SocketLimits
from realtime.close_codes import CloseCode
from realtime.endpoint import SocketEndpoint
from realtime.hub import Listener
from web import graphiql

SECOND_CALL_MADE = asyncio.Event()
TOKEN = "t0k3n"


@strawberry.type
class User:
    email: str


@strawberry.type
class Viewer:
    user: User | None


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
    async def viewer(self) -> Viewer | None:
        return None

    @strawberry.field
    async def offers(self, first: int = 3) -> Offers:
        return Offers(nodes=[Offer(name="TPE Essentielle")][:first])


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def call(self) -> bool:
        SECOND_CALL_MADE.set()
        return True


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def calls(self, info: strawberry.Info) -> AsyncGenerator[str, None]:
        yield f"call 1 of {info.context}"
        await SECOND_CALL_MADE.wait()  # until the page has shown the first one
        yield f"call 2 of {info.context}"
        await asyncio.Event().wait()


class SocketClient:
    """The client that opened a websocket."""

    cost_limit = None
    max_response_bytes: int | None = None
    introspection = True
    trusted_only = False

    def __init__(self, authorization: str) -> None:
        self._authorization = authorization

    @property
    def person(self) -> str:
        return self._authorization

    def seconds_left(self) -> float | None:
        return None

    def context(self) -> str:
        return self._authorization

    def connected(self) -> None:
        pass

    def disconnected(self) -> None:
        pass

    def add_listener(self, listener: Listener) -> None:
        pass

    def remove_listener(self, listener: Listener) -> None:
        pass

    async def close_code(self) -> CloseCode | None:
        return None


def application() -> Starlette:
    """A small schema at /graphql over HTTP and websockets, and the page's assets."""
    engine = Engine(strawberry.Schema(Query, Mutation, Subscription)._schema)

    async def context(request: HTTPRequest) -> str:
        return request.header(b"authorization") or "nobody"

    async def connect(payload: dict[str, Any], websocket: WebSocket) -> SocketClient:
        return SocketClient(payload.get("authorization", "nobody"))

    return Starlette(
        routes=[
            Route("/graphql", GraphQLEndpoint(engine, context, page=graphiql.page)),
            WebSocketRoute("/graphql", SocketEndpoint(engine, connect, SocketLimits())),
            *graphiql.routes(),
        ]
    )
