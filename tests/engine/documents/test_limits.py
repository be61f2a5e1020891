"""Limits are enforced and named, in linear time, even if fragments double each other."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLSchema, get_introspection_query, parse

from engine import Engine, Limits, Params, RequestError
from engine.documents.measure import MAX_COUNT, measure, topological_order


def rejection(engine: Engine, query: str) -> dict[str, Any]:
    with pytest.raises(RequestError) as caught:
        engine.prepare(Params(query))
    assert len(caught.value.errors) == 1
    return caught.value.errors[0]


def nested_query(depth: int) -> str:
    return "{ " + "me { " * (depth - 1) + "id" + " }" * depth


def doubled_fragments(levels: int, leaf: str = "me { x: id }") -> str:
    fragments = [f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels)]
    return "\n".join(["{ ...F0 }", *fragments, f"fragment F{levels} on Query {{ {leaf} }}"])


@pytest.mark.parametrize(
    ("query", "extensions"),
    [
        (nested_query(16), {"depth": 16, "limit": 15}),
        ("{ ...F } fragment F on Query " + nested_query(16), {"depth": 16, "limit": 15}),
        (
            "{ me { ...F } } fragment F on Item "
            + nested_query(8).replace("id", "...G")
            + " fragment G on Item "
            + nested_query(8),
            {"depth": 16, "limit": 15},
        ),
        ("{ " + " ".join(f"a{n}: hello" for n in range(61)) + " }", {"aliases": 61, "limit": 60}),
        (
            "{ " + "me { ...F } " * 21 + "} fragment F on Item { a: id b: id c: id }",
            {"aliases": 63, "limit": 60},
        ),
        ("{ " + "hello " * 41 + "}", {"rootFields": 41, "limit": 40}),
        ("{ " + "...{ " * 60 + "hello" + " }" * 61, {"nesting": 61, "limit": 40}),
        ("{ me { " + "id " * 1_996 + "} }", {"limit": 2_000}),
        ("#\n" * 2_001 + "{ hello }", {"limit": 2_000}),
        ("{ hello } #" + "é" * 20_000, {"bytes": 40_011, "limit": 32_768}),
        ("{ " + "me { " * 300 + "id" + " }" * 301, {"limit": 15}),
    ],
)
def test_exceeding_a_limit_reports_it(
    engine: Engine, query: str, extensions: dict[str, int]
) -> None:
    error = rejection(engine, query)
    assert error["extensions"] == {"code": "QUERY_TOO_COSTLY", **extensions}


@pytest.mark.parametrize(
    "query",
    [
        nested_query(15),
        "{ " + " ".join(f"a{n}: hello" for n in range(40)) + " }",
        "{ " + "hello " * 40 + "}",
    ],
)
def test_the_limit_itself_is_accepted(engine: Engine, query: str) -> None:
    assert engine.prepare(Params(query)).kind == "query"


def test_graphiqls_introspection_query_is_accepted(engine: Engine) -> None:
    query = get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, input_value_deprecation=True
    )
    assert engine.prepare(Params(query)).cost == 0


def test_recursive_introspection_is_rejected_by_a_rule_of_its_own(engine: Engine) -> None:
    recursive = (
        "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } "
        "} } } } } } }"
    )
    assert "introspection depth" in rejection(engine, recursive)["message"]


def test_introspection_may_be_forbidden(engine: Engine) -> None:
    for query in (
        "{ __schema { types { name } } }",
        '{ ...F } fragment F on Query { t: __type(name: "Item") { name } }',
    ):
        with pytest.raises(RequestError) as caught:
            engine.prepare(Params(query), introspection=False)
        assert caught.value.errors[0]["extensions"] == {"code": "FORBIDDEN"}
    assert engine.prepare(Params("{ me { __typename } }"), introspection=False)


def test_names_are_suggested_only_if_introspection_is_allowed(engine: Engine) -> None:
    assert "Did you mean" in rejection(engine, "{ helo }")["message"]
    with pytest.raises(RequestError) as caught:
        engine.prepare(Params("{ helo }"), introspection=False)
    assert "Did you mean" not in caught.value.errors[0]["message"]


def test_doubled_fragments_are_counted_once_each() -> None:
    counts = measure(parse(doubled_fragments(200)))
    assert (counts.depth, counts.aliases, counts.root_fields) == (2, MAX_COUNT, MAX_COUNT)


def test_doubled_fragments_are_rejected(engine: Engine) -> None:
    error = rejection(engine, doubled_fragments(140))
    assert error["extensions"] == {"code": "QUERY_TOO_COSTLY", "aliases": MAX_COUNT, "limit": 60}


def test_doubled_fragments_without_aliases_are_rejected(engine: Engine) -> None:
    assert rejection(engine, doubled_fragments(30, "hello"))["extensions"]["rootFields"] == 2**30


def test_a_chain_of_fragments_longer_than_the_stack_is_counted() -> None:
    chain = "{ ...F0 }" + "".join(
        f"fragment F{n} on Query {{ me {{ ...F{n + 1} }} }}" for n in range(5_000)
    )
    assert measure(parse(chain + "fragment F5000 on Query { me { id } }")).depth == 5_002


def test_validation_reports_cycles_of_fragments(engine: Engine) -> None:
    with pytest.raises(RequestError, match="spread fragment 'A' within itself"):
        engine.prepare(Params("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }"))


def test_fragments_are_ordered_after_those_they_spread() -> None:
    assert topological_order({"A": ["B", "C", "missing"], "B": ["C"], "C": []}) == ["C", "B", "A"]
    assert sorted(topological_order({"A": ["B"], "B": ["A"]})) == ["A", "B"]


@pytest.mark.parametrize(
    "query",
    [
        "{ me { " + "id " * 1_900 + "} }",
        "{ me {" + "me { id } " * 480 + "} }",
        "{ me { "
        + " ".join(f"...F{n}" for n in range(150))
        + " } }"
        + " ".join(f"fragment F{n} on Item {{ id tags }}" for n in range(150)),
    ],
)
def test_too_many_repeated_fields_exhaust_the_validation_budget(engine: Engine, query: str) -> None:
    assert (
        rejection(engine, query)["message"]
        == "The document repeats too many fields to be validated."
    )


def test_typical_repeated_fields_are_within_the_validation_budget(engine: Engine) -> None:
    parts = " ".join(
        f"fragment F{n} on Item {{ id tags me {{ id }} items {{ nodes {{ id }} }} }}"
        for n in range(25)
    )
    query = "{ me { " + " ".join(f"...F{n}" for n in range(25)) + " } } " + parts
    assert engine.prepare(Params(query)).kind == "query"


def test_validation_reports_a_limited_number_of_errors(engine: Engine) -> None:
    with pytest.raises(RequestError) as caught:
        engine.prepare(Params("{ me { " + " ".join(f"x{n}" for n in range(500)) + " } }"))
    assert len(caught.value.errors) <= 21
    assert {error["extensions"]["code"] for error in caught.value.errors} == {"BAD_USER_INPUT"}


def test_an_application_can_set_its_own_limits(schema: GraphQLSchema) -> None:
    assert (
        rejection(Engine(schema, limits=Limits(depth=3)), nested_query(4))["extensions"]["limit"]
        == 3
    )
