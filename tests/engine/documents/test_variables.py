"""Variables are coerced and rejected exactly as by graphql-core, with different messages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from graphql import GraphQLSchema, Undefined, build_schema, get_variable_values
from hypothesis import given
from hypothesis import strategies as st

from engine import Limits, RequestError
from engine.documents.store import DocumentStore
from engine.documents.variables import coerce_variables

SDL = """
    type Query { f(a: Int, b: Int!, c: String, d: ID, e: Boolean, f: Float, g: Size, h: [Int!],
                   i: [[Size]], j: Box, k: Moment): Int }
    enum Size { SMALL LARGE }
    input Box { size: Size! = SMALL, inner: Box, sides: [Int!] = [1], oneOf: Either }
    input Either @oneOf { left: Int, right: String }
    scalar Moment
"""
QUERY = """
    query ($a: Int = 4, $b: Int!, $c: String, $d: ID, $e: Boolean, $f: Float, $g: Size = LARGE,
           $h: [Int!] = [1, 2], $i: [[Size]], $j: Box = {inner: {sides: 3}}, $k: Moment)
    { f(a: $a, b: $b, c: $c, d: $d, e: $e, f: $f, g: $g, h: $h, i: $i, j: $j, k: $k) }
"""

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([2**31, -(2**31), 1.0, 0.5, 1e300, "SMALL", "LARGE", "", "7"]),
)
names = st.sampled_from(["size", "inner", "sides", "oneOf", "left", "right", "nothing"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    schema = build_schema(SDL)

    def parse_moment(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("not a moment")
        return f"at {value}"

    schema.type_map["Moment"].coerce_input_value = parse_moment  # type: ignore[attr-defined]  # Moment is a scalar
    return schema


def values_or_errors(coerce: Callable[[], Any]) -> Any:
    """The coerced values as text, in which 1 and True differ, or where the values are invalid."""
    try:
        result = coerce()
    except RequestError as error:
        return [each["message"].partition(": ")[0] for each in error.errors]
    if isinstance(result, list):
        return [error.message.partition(": ")[0] for error in result]
    return repr((result.coerced, {name: source.value for name, source in result.sources.items()}))


@given(
    variables=st.dictionaries(st.sampled_from("acdefghijk"), values, max_size=3),
    required_value=scalars,
)
def test_coerced_values_and_errors_match_graphql_core(
    schema: GraphQLSchema, variables: dict[str, Any], required_value: Any
) -> None:
    document = DocumentStore(schema, Limits()).read(QUERY)
    operation = document.operation(None)
    # The first one fills the cache for the others.
    for inputs in ({**variables, "b": required_value}, {**variables, "b": 1}, variables):
        expected = values_or_errors(
            partial(get_variable_values, schema, operation.variable_definitions or (), inputs, 20)
        )
        assert (
            values_or_errors(partial(coerce_variables, schema, document, operation, inputs, True))
            == expected
        )


def test_an_omitted_variable_has_no_value(schema: GraphQLSchema) -> None:
    document = DocumentStore(schema, Limits()).read(
        "query ($c: String, $a: Int) { f(b: 1, c: $c, a: $a) }"
    )
    values = coerce_variables(schema, document, document.operation(None), {"a": None}, True)
    assert values.coerced == {"a": None}
    assert values.sources["c"].value is Undefined
