"""A small schema over graphql-core, and an application that serves it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import httpx
import pytest
from graphql import GraphQLError, GraphQLResolveInfo, GraphQLSchema, build_schema
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from engine import Engine, Limits, Params
from engine.http import GraphQLEndpoint, HTTPError, HTTPRequest

SDL = """
    type Query {
      hello(name: String = "you"): String
      me: Item
      search: Thing
      rows(count: Int = 3): [Item!]!
      items(first: Int, last: Int): Items!
      paged(first: Int = 7): Items!
      page(first: Int! = 7): Items
      messages(first: Int): [Item!]!
      boom: Int
      refuse: Int
      slow: String
      huge: Long
      expensive: Item
      number(value: Int): Int
      report: Int
    }
    type Mutation { add(name: String!): Item  slowAdd: String }
    type Subscription { count(to: Int!): Int  broken: Int  refused: Int  plain: Int }
    scalar Long
    union Thing = Item
    type Items { nodes: [Item!]!  edges: [Edge!]!  total: Int!  first: Item }
    type Edge { node: Item!  cursor: String! }
    type Item { id: Int!  me: Item!  tags: [String!]!  items(first: Int,
    last: Int): Items!  others: [Item!] }
"""


class Row:
    """Like a row of some ORMs: it has `__await__`, and must not be awaited."""

    def __init__(self, id_: int) -> None:
        self.id = id_

    def __await__(self) -> Any:
        raise AssertionError("a row was awaited")


@dataclass
class Shop:
    """The context of the resolvers, with a log of what they did."""

    log: list[str] = field(default_factory=list)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    may_continue: asyncio.Event = field(default_factory=asyncio.Event)


Info: TypeAlias = "GraphQLResolveInfo[Shop]"


async def rows(_root: Any, info: Info, count: int) -> list[Row]:
    return [Row(number) for number in range(count)]


async def slow(_root: Any, info: Info) -> str:
    info.context.started.set()
    try:
        await info.context.may_continue.wait()
    except asyncio.CancelledError:
        info.context.log.append("cancelled")
        raise
    info.context.log.append("done")
    return "done"


def raise_error(_root: Any, info: Info) -> int:
    raise ValueError("the secret")


def raise_graphql_error(_root: Any, info: Info) -> int:
    raise GraphQLError("Not today.", extensions={"code": "CLOSED"})


async def count(_root: Any, info: Info, to: int) -> AsyncIterator[int]:
    try:
        for number in range(to):
            yield number
    finally:
        info.context.log.append("closed")


async def broken(_root: Any, info: Info) -> AsyncIterator[int]:
    yield 1
    raise ValueError("the secret")


class ThreeNumbers:
    """An asynchronous iterator without `aclose`."""

    def __init__(self) -> None:
        self._numbers = iter(range(3))

    def __aiter__(self) -> ThreeNumbers:
        return self

    async def __anext__(self) -> int:
        for number in self._numbers:
            return number
        raise StopAsyncIteration


def plain(_root: Any, info: Info) -> ThreeNumbers:
    return ThreeNumbers()


def event(root: Any, info: Info, **_arguments: Any) -> Any:
    info.context.log.append(f"event {root}")
    return root


def _schema() -> GraphQLSchema:
    schema = build_schema(SDL)
    query = schema.query_type
    mutation = schema.mutation_type
    subscription = schema.subscription_type
    assert query
    assert mutation
    assert subscription
    for name, resolve in {
        "rows": rows,
        "slow": slow,
        "boom": raise_error,
        "refuse": raise_graphql_error,
    }.items():
        query.fields[name].resolve = resolve
    query.fields["hello"].resolve = lambda _root, _info, name: f"Hello {name}"
    query.fields["huge"].resolve = lambda _root, _info: 2**80
    query.fields["number"].resolve = lambda _root, _info, value=None: value
    query.fields["expensive"].extensions = {"cost": 50}
    query.fields["report"].extensions = {"cost": 400}
    mutation.fields["add"].resolve = lambda _root, _info, name: Row(len(name))
    mutation.fields["slowAdd"].resolve = slow
    for name, subscribe in {
        "count": count,
        "broken": broken,
        "refused": raise_graphql_error,
        "plain": plain,
    }.items():
        subscription.fields[name].subscribe = subscribe
        subscription.fields[name].resolve = event
    return schema


@pytest.fixture(scope="session")
def schema() -> GraphQLSchema:
    return _schema()


@pytest.fixture
def engine(schema: GraphQLSchema) -> Engine:
    return Engine(schema, limits=Limits(timeout=5))


@pytest.fixture
def shop() -> Shop:
    return Shop()


Execute = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def execute(engine: Engine, shop: Shop) -> Execute:
    async def execute(query: str, **variables: Any) -> dict[str, Any]:
        return await engine.execute(engine.prepare(Params(query, variables=variables)), shop)

    return execute


@pytest.fixture
def asgi(engine: Engine, shop: Shop) -> Starlette:
    async def context(request: HTTPRequest) -> Shop:
        if request.header(b"authorization") == "expired":
            raise HTTPError(
                401, {"message": "Sign in again.", "extensions": {"code": "UNAUTHENTICATED"}}
            )
        if request.header(b"authorization") == "broken":
            raise RuntimeError("the secret")
        return shop

    endpoint = GraphQLEndpoint(engine, context, lambda _request: HTMLResponse("<h1>GraphiQL</h1>"))
    return Starlette(routes=[Route("/graphql", endpoint)])


@pytest.fixture
async def client(asgi: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(asgi), base_url="http://shop"
    ) as client:
        yield client
