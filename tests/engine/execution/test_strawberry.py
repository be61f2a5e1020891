"""A Strawberry schema is executed by plans and by graphql-core: lists, fragments, arguments and
subscriptions.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
import strawberry

from engine import Engine, Params
from tests.engine.differential.core_engine import CoreEngine
from tests.engine.subscriptions import subscribe


class Row:
    """What a resolver returns instead of an Item: a row that defines `__await__`."""

    def __init__(self, id_: int) -> None:
        self.id = id_

    def __await__(self) -> Any:
        raise AssertionError("a row was awaited")


@strawberry.type
class Item:
    id: int

    @strawberry.field
    async def plus(self, info: strawberry.Info[dict[str, int]], number: int) -> int:
        return self.id + number + info.context["more"]


async def list_items(first: int = 5) -> list[Row]:
    return [Row(number) for number in range(first)]


@strawberry.type
class Query:
    items: list[Item] = strawberry.field(resolver=list_items, graphql_type=list[Item])  # type: ignore[assignment]  # rows instead of items


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def items(self, to: int) -> AsyncGenerator[Item, None]:
        for number in range(to):
            yield Item(id=number)


SCHEMA = strawberry.Schema(Query, subscription=Subscription)


@pytest.fixture(params=[Engine, CoreEngine])
def engine(request: pytest.FixtureRequest) -> Engine:
    engine: Engine = request.param(SCHEMA._schema)
    return engine


async def test_queries_are_executed(engine: Engine) -> None:
    query = (
        "query ($n: Int!) { items(first: $n) { ...F } } fragment F on Item { id name: __typename }"
    )
    operation = engine.prepare(Params(query, variables={"n": 2}))
    result = await engine.execute(operation, {})
    assert result["data"] == {"items": [{"id": 0, "name": "Item"}, {"id": 1, "name": "Item"}]}
    assert operation.cost == 2


async def test_subscriptions_are_executed(engine: Engine) -> None:
    operation = engine.prepare(Params("subscription { items(to: 2) { id plus(number: 10) } }"))
    results: AsyncIterator[dict[str, Any]] = subscribe(engine, operation, lambda: {"more": 100})
    assert [result["data"]["items"] async for result in results] == [
        {"id": 0, "plus": 110},
        {"id": 1, "plus": 111},
    ]
