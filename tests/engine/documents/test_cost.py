"""The cost of an operation, which is known before it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from graphql import GraphQLField, GraphQLSchema

from engine import Engine, Params, RequestError


def cost(engine: Engine, query: str, **variables: Any) -> int:
    return engine.prepare(Params(query, variables=variables), cost_limit=10**15).cost


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ hello __typename }", 0),
        ("{ me { id tags } }", 1),
        ("{ search { __typename ... on Item { me { id } } } }", 2),
        ("{ expensive { id } report }", 451),
        ("{ rows { id me { id } } }", 20),
        ("{ items(first: 5) { total } }", 1),
        ("{ items(first: 5) { total first { id } nodes { id } } }", 7),
        ("{ items(first: 5) { edges { node { id } cursor } } }", 11),
        ("{ items(first: 5, last: 8) { nodes { id } } }", 9),
        ("{ items(last: 8) { nodes { id } } }", 9),
        ("{ items(first: -5) { nodes { id } } }", 1),
        ("{ items(first: null) { nodes { id } } }", 21),
        ("{ items { nodes { id } } }", 21),
        ("{ paged { nodes { id } } }", 8),
        ("{ messages(first: 4) { me { id } } }", 8),
        ("{ items(first: 5) { nodes { items(first: 3) { nodes { id } } } } }", 1 + 5 * (1 + 1 + 3)),
        ("{ me { others { id } } }", 11),
        ("{ a: me { id } b: me { id } }", 2),
        ("{ me @skip(if: true) { id } items @include(if: false) { nodes { id } } }", 0),
        ('{ __type(name: "Item") { fields { name } } me { id } }', 1),
        ('mutation { add(name: "x") { me { id } } }', 2),
    ],
)
def test_the_cost_of_an_operation_is_calculated(engine: Engine, query: str, expected: int) -> None:
    assert cost(engine, query) == expected
    assert cost(engine, query) == expected  # cached


def test_the_cost_depends_on_variables(engine: Engine) -> None:
    query = (
        "query ($n: Int = 6, $all: Boolean = true) { items(first: $n) @include(if: $all) { nodes { "
        "id } } }"
    )
    assert [cost(engine, query), cost(engine, query, n=2), cost(engine, query, all=False)] == [
        7,
        3,
        0,
    ]
    assert cost(engine, query, n=None) == 21


def test_a_field_whose_argument_will_fail_still_has_a_cost(engine: Engine) -> None:
    assert cost(engine, "query ($n: Int) { page(first: $n) { nodes { id } } }", n=None) == 21


def test_the_cost_of_a_fragment_depends_on_each_parents_size(engine: Engine) -> None:
    query = (
        "{ a: items(first: 2) { ...F } b: items(first: 90) { ...F } } fragment F on Items { first "
        "{ id } nodes { id } }"
    )
    assert cost(engine, query) == (1 + 1 + 2) + (1 + 1 + 90)


def test_doubled_fragments_are_computed_once_each(engine: Engine) -> None:
    fragments = [f"fragment F{n} on Item {{ ...F{n + 1} ...F{n + 1} }}" for n in range(100)]
    query = " ".join(["{ me { ...F0 } }", *fragments, "fragment F100 on Item { me { id } }"])
    assert cost(engine, query) == 10**12


def test_the_error_for_a_costly_operation_states_its_cost_and_the_limit(engine: Engine) -> None:
    query = Params("{ items(first: 100) { nodes { items(first: 100) { nodes { id } } } } }")
    with pytest.raises(RequestError) as caught:
        engine.prepare(query)
    assert caught.value.errors[0]["extensions"] == {
        "code": "QUERY_TOO_COSTLY",
        "cost": 10_201,
        "limit": 10_000,
    }
    assert engine.prepare(query, cost_limit=10_201).cost_limit == 10_201
    with pytest.raises(RequestError):
        engine.prepare(Params("{ me { id } }"), cost_limit=0)


def test_an_application_can_define_its_own_cost_function(schema: GraphQLSchema) -> None:
    def cost_by_count(_field: GraphQLField) -> Callable[[dict[str, Any]], int]:
        return lambda args: int(args.get("count", 0)) * 1_000

    engine = Engine(schema, cost_of=cost_by_count)
    for _ in range(2):  # the second time from the cache
        assert cost(engine, "query ($n: Int!) { rows(count: $n) { id } }", n=4) == 4_010
    assert cost(engine, "query ($n: Int!) { rows(count: $n) { id } }", n=5) == 5_010


async def test_a_dry_run_returns_the_cost_and_executes_nothing(engine: Engine) -> None:
    query = "mutation { slowAdd }"
    operation = engine.prepare(Params(query, extensions={"dryRun": True}))
    assert await engine.execute(operation, None) == {
        "data": None,
        "extensions": {"cost": {"requested": 0, "limit": 10_000}},
    }


async def test_a_dry_run_reports_an_operation_that_is_too_costly(engine: Engine) -> None:
    operation = engine.prepare(
        Params("{ items(first: 99) { nodes { id } } }", extensions={"dryRun": True}), cost_limit=5
    )
    assert (await engine.execute(operation, None))["extensions"] == {
        "cost": {"requested": 100, "limit": 5}
    }


async def test_a_dry_run_of_a_subscription_starts_nothing(engine: Engine) -> None:
    operation = engine.prepare(Params("subscription { refused }", extensions={"dryRun": True}))
    expected = {"data": None, "extensions": {"cost": {"requested": 0, "limit": 10_000}}}
    assert await engine.execute(operation, None) == expected
