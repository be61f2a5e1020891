"""Errors name fields and types, and never repeat what a client sent as a value."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLSchema, build_schema
from hypothesis import given
from hypothesis import strategies as some

from engine import Engine, InvalidValueError, Params, RequestError

SDL = """
    type Query { f(i: Int, s: String, b: Boolean, x: Float, d: ID, e: Size, l: [Int!], o: Box,
                   p: [[Box!]!], m: Moment, n: Named, v: Either): Int }
    enum Size { SMALL LARGE }
    input Box { size: Size!, inner: Box, sides: [Int!], text: String!, either: Either }
    input Either @oneOf { left: Int, right: String }
    scalar Moment
    scalar Named
"""
TYPES = {
    "i": "Int",
    "s": "String",
    "b": "Boolean",
    "x": "Float",
    "d": "ID",
    "e": "Size",
    "l": "[Int!]",
    "o": "Box",
    "p": "[[Box!]!]",
    "m": "Moment",
    "n": "Named",
    "v": "Either",
}
SECRET = "hunter2"


@pytest.fixture(scope="module")
def engine() -> Engine:
    schema: GraphQLSchema = build_schema(SDL)

    def raise_error(value: Any, *_: Any) -> Any:
        raise ValueError(f"{value} is no moment")

    def raise_graphql_error(value: Any, *_: Any) -> Any:
        raise InvalidValueError("Named cannot represent this value: expected a name.")

    for name, coerce in (("Moment", raise_error), ("Named", raise_graphql_error)):
        schema.type_map[name].coerce_input_value = coerce  # type: ignore[attr-defined]
        schema.type_map[name].coerce_input_literal = coerce  # type: ignore[attr-defined]
    return Engine(schema)


def messages(engine: Engine, query: str, **variables: Any) -> list[str]:
    """The messages of a request that is refused, or none."""
    try:
        engine.prepare(Params(query, variables=variables))
    except RequestError as error:
        return [each["message"] for each in error.errors]
    return []


def errors_of_variable(engine: Engine, name: str, value: Any) -> list[str]:
    return messages(engine, f"query ($v: {TYPES[name]}) {{ f({name}: $v) }}", v=value)


def format_literal(value: Any) -> str:
    """A JSON value as a literal of a document."""
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{key}: {format_literal(each)}" for key, each in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(format_literal, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else f'"{value}"' if isinstance(value, str) else str(value)


secrets = some.sampled_from([SECRET, f"SMAL {SECRET}", f"a ' {SECRET} ' b", f"x?\n{SECRET}"])
keys = some.sampled_from(["size", "inner", "sides", "text", "texts", "either", "left", "right"])
values = some.recursive(
    secrets | some.sampled_from([7.5, True, None]),
    lambda inner: some.lists(inner, max_size=2) | some.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


@given(name=some.sampled_from([*TYPES]), value=values)
def test_no_value_of_a_variable_is_repeated(engine: Engine, name: str, value: Any) -> None:
    assert SECRET not in "".join(errors_of_variable(engine, name, value))


@given(name=some.sampled_from([*TYPES]), value=values)
def test_no_literal_is_repeated(engine: Engine, name: str, value: Any) -> None:
    text = format_literal(value).replace("\n", "\\n")
    assert SECRET not in "".join(messages(engine, f"{{ f({name}: {text}) }}"))
    assert SECRET not in "".join(
        messages(engine, f"query ($v: {TYPES[name]} = {text}) {{ f({name}: $v) }}")
    )


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("i", SECRET, "invalid value: Int cannot represent non-integer value."),
        ("e", "SMAL", "Size cannot represent this value. Did you mean the enum value 'SMALL'?"),
        ("e", SECRET, "invalid value: Size cannot represent this value."),
        ("o", SECRET, "Expected value of type 'Box' to be an object."),
        ("o", {"size": "SMALL"}, "Expected value of type 'Box' to include required field 'text'."),
        ("o", {"txt": SECRET}, "not to include unknown field 'txt'. Did you mean 'text'?"),
        ("o", {"sides": [1, SECRET]}, "at .sides[1]: Int cannot represent non-integer value."),
        ("p", [[{"text": "", "size": SECRET}]], "at [0][0].size: Size cannot represent this"),
        ("m", SECRET, "Moment cannot represent this value."),
        ("n", SECRET, "Named cannot represent this value: expected a name."),
        ("v", {"left": None}, "Within OneOf Input Object type 'Either', exactly one field must"),
    ],
)
def test_error_messages_explain_the_problem(
    engine: Engine, name: str, value: Any, message: str
) -> None:
    assert message in " ".join(errors_of_variable(engine, name, value))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (f'{{ f(s: "{SECRET}" "{SECRET}") }}', "Syntax Error: Expected Name, found String."),
        (f"{{ f(s: {SECRET}) }}", "String cannot represent a non string value."),
        (f'{{ f(s: "a"{SECRET}" b") }}', "Syntax Error: Expected ':', found String."),
        (f'{{ f(s: "{SECRET}', "Syntax Error: Unterminated string."),
        ('{ f(s: "\\uhunt") }', "Syntax Error: Invalid Unicode escape sequence."),
        ('{ f(s: "\\h") }', "Syntax Error: Invalid character escape sequence."),
        ("{ f(i: 1h) }", "Syntax Error: Invalid number."),
        ("{ f(i: 1) ? }", "Syntax Error: Unexpected character."),
        (f'"{SECRET}"', "Syntax Error: Unexpected <EOF>."),
        (f'"tokens. Parsing aborted {SECRET}" 5', "Syntax Error: Unexpected Int."),
        (f'{{ f(o: {{text: "{SECRET}", size: SMAL}}) }}', "Did you mean the enum value 'SMALL'?"),
    ],
)
def test_no_text_of_a_document_is_repeated(engine: Engine, query: str, message: str) -> None:
    with pytest.raises(RequestError) as refused:
        engine.prepare(Params(query))
    error_messages = " ".join(each["message"] for each in refused.value.errors)
    assert message in error_messages
    assert "hunt" not in error_messages


def test_only_names_are_repeated(engine: Engine) -> None:
    for key in ("my password is hunter2", "hunter2!"):
        assert SECRET not in "".join(errors_of_variable(engine, "o", {key: 1}))
        with pytest.raises(RequestError) as refused:
            engine.prepare(Params("query A { f } query B { f }", operation_name=key))
        assert SECRET not in str(refused.value)


def test_the_number_of_errors_is_bounded(engine: Engine) -> None:
    assert len(errors_of_variable(engine, "l", [SECRET] * 1_000)) == 21
    nested_value: Any = None
    for _ in range(5_000):
        nested_value = {"inner": nested_value}
    assert "nested too deeply" in "".join(errors_of_variable(engine, "o", nested_value))
