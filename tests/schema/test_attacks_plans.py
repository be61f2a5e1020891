"""Regression tests for vulnerabilities of execution plans, such as variables that only another
operation's directives read.
"""

from typing import Any

import pytest

from engine import Engine, Params
from engine.execution.plan_cache import PlanCache
from models.viewer import Viewer
from resolvers.context import Context, Services
from tests.schema.conftest import new_engine

OTHER_OPERATION = (
    "query Other($x: Boolean!) { ...F } fragment F on Query { viewer @include(if: $x) { locale } }"
)


@pytest.fixture
def engine() -> Engine:
    """An engine without the documents and plans of other tests."""
    return new_engine()


def _prepare(engine: Engine, query: str, value: Any) -> Any:
    return engine.prepare(
        Params(query=f"{query} {OTHER_OPERATION}", operation_name="Mine", variables={"x": value}),
        cost_limit=10**9,
    )


async def test_a_list_variable_can_share_the_name_of_another_operations_condition(
    db: str, engine: Engine, services: Services
) -> None:
    """The unhashable list was part of a plan's key, so any client could cause a 500 response."""
    operation = _prepare(engine, "query Mine($x: [ID!]!) { nodes(ids: $x) { id } }", ["a"])
    assert (await engine.execute(operation, Context(Viewer(), services)))["data"] == {
        "nodes": [None]
    }


@pytest.mark.parametrize("query", ["query Mine($x: String!) { article(slug: $x) { id } }"])
async def test_plans_do_not_retain_texts_of_clients(
    db: str, engine: Engine, services: Services, query: str
) -> None:
    """A megabyte of a client's text used to stay in memory for each of 16 plans of 1,000
    documents.
    """
    for number in range(3):
        operation = _prepare(engine, query, f"{number}")
        await engine.execute(operation, Context(Viewer(), services))
    assert len(engine.plans) == 1


async def test_the_number_of_cached_fields_is_bounded(
    db: str, engine: Engine, services: Services
) -> None:
    """A document of 800 bytes can have 16 plans of a megabyte each, and a customer can send
    thousands of documents.
    """
    engine.plans = PlanCache(max_fields=100)
    fragments = (
        "... on Account { siren } ... on Offer { slug } ... on Ticket { number subject channel } "
        "... on User { name }"
    )
    for number in range(40):
        query = (
            f"query($x: Boolean!) {{ contact {{ a{number}: phone }} "
            f"nodes(ids: []) {{ id {fragments} b @include(if: $x) }} }}"
        )
        query = query.replace(" b @include", " c: id @include").replace("phone", "__typename")
        operation = engine.prepare(
            Params(query=query, variables={"x": bool(number % 2)}), cost_limit=10**9
        )
        response = await engine.execute(operation, Context(Viewer(), services))
        assert response["data"] == {"contact": {f"a{number}": "Contact"}, "nodes": []}
        assert engine.plans.size <= 100
    assert 5 < len(engine.plans) < 40
