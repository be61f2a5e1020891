"""No error repeats a value of the request, anywhere in the schema, because it may be a password."""

import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    get_named_type,
    get_nullable_type,
)

from engine import TIMEOUT, Engine, Params, RequestError
from models.locale import Locale
from models.viewer import Viewer
from resolvers.context import Context, Services
from schema.errors import format_error
from schema.root import schema

SECRET = "hunter2 hunter2"
IS_LONG = "CAMCHA_CASES" in os.environ
GRAPH = schema._schema
ARGUMENTS = {
    f"{kind} {name}({argument}:)": (kind, name, argument, definition)
    for kind, root in (
        ("query", GRAPH.query_type),
        ("mutation", GRAPH.mutation_type),
        ("subscription", GRAPH.subscription_type),
    )
    for name, field in (root.fields.items() if root else ())
    for argument, definition in field.args.items()
}


def wrong_values(
    declared_type: GraphQLInputType, walked: set[str], depth: int = 4
) -> Iterator[Any]:
    """Values of the wrong type, each with the secret in another position. The fields of input types
    whose names are in `walked` are left out.
    """
    yield {SECRET: SECRET, "secret": [SECRET]}
    yield [[SECRET]]
    type_: Any = get_nullable_type(declared_type)
    if isinstance(type_, GraphQLList):
        yield from ([each] for each in wrong_values(type_.of_type, walked, depth - 1))
    elif isinstance(type_, GraphQLInputObjectType):
        yield SECRET
        is_new = type_.name not in walked
        walked.add(type_.name)
        for name, field in type_.fields.items() if depth and is_new else ():
            for each in wrong_values(field.type, walked, depth - 1):
                yield {name: each, "secret": SECRET}
            yield {name: SECRET, "secret": SECRET}
        yield {f"{next(iter(type_.fields))}s": SECRET}
    elif type_.name not in ("String", "ID"):
        yield SECRET
        yield f" {SECRET}"


def format_literal(value: Any) -> str:
    if isinstance(value, dict):
        fields = (
            f"{key}: {format_literal(each)}" for key, each in value.items() if key.isidentifier()
        )
        return "{" + ", ".join(fields) + "}"
    return f"[{format_literal(value[0])}]" if isinstance(value, list) else f'"{value}"'


@cache
def wrong_values_by_position() -> dict[str, list[Any]]:
    """The wrong values of each argument. An input type that occurs in several is walked in the
    first: its fields are read in the same way everywhere.
    """
    walked: set[str] = set()
    return {
        position: [*wrong_values(definition.type, walked)]
        for position, (*_, definition) in ARGUMENTS.items()
    }


@pytest.mark.parametrize("position", ARGUMENTS)
def test_no_value_is_repeated(engine: Engine, position: str) -> None:
    """Every second value is sent as a variable, and the others in the document: with
    `bin/check --long`, all in both ways.
    """
    kind, name, argument, definition = ARGUMENTS[position]
    for number, value in enumerate(wrong_values_by_position()[position]):
        query_with_variable = (
            f"{kind}($v: {definition.type}) {{ {name}({argument}: $v) {{ __typename }} }}"
        )
        query_with_literal = (
            f"{kind} {{ {name}({argument}: {format_literal(value)}) {{ __typename }} }}"
        )
        texts = (query_with_variable, query_with_literal)
        for text in texts if IS_LONG else texts[number % 2 : number % 2 + 1]:
            with pytest.raises(RequestError) as refused:
                engine.prepare(Params(text, variables={"v": value}))
            assert "hunter2" not in str(refused.value.errors), value


def test_every_kind_of_type_is_covered() -> None:
    visited_types = {get_named_type(each.type).name for _, _, _, each in ARGUMENTS.values()}
    inner = [GRAPH.type_map[name] for name in visited_types]
    while inner:
        type_ = inner.pop()
        if isinstance(type_, GraphQLInputObjectType):
            types = [get_named_type(field.type) for field in type_.fields.values()]
            inner += [each for each in types if each.name not in visited_types]
            visited_types |= {each.name for each in types}
    assert {"Int", "Boolean", "Date", "DateTime", "BigInt"} & set(
        GRAPH.type_map
    ) <= visited_types | {
        "BigInt"  # an output only, so far
    }
    assert any(isinstance(GRAPH.type_map[name], GraphQLEnumType) for name in visited_types)


def test_our_own_failures_are_told_in_the_viewers_language(services: Services) -> None:
    context = Context(Viewer(locale=Locale.FR), services)
    failure = GraphQLError(SECRET, original_error=RuntimeError(SECRET))
    too_slow = GraphQLError("The operation took longer.", extensions={"code": TIMEOUT})
    assert [format_error(each, context)["message"] for each in (failure, too_slow)] == [
        "Un problème est survenu de notre côté. Réessayez plus tard.",
        "L’opération a duré trop longtemps et a été interrompue. Demandez moins de données.",
    ]
