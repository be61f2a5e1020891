"""Every operation of the schema with every kind of argument, each text in it marked. New operations
are included automatically.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

from schema.root import schema

MARK = "zqx"
CARD = "4242 4242 4242 4242"
EMAIL = f"{MARK}.person@leak.example"
TEXT = f"{MARK} secret words of {EMAIL}, card {CARD}"
SCALAR_VALUES = {
    "Int": 3,
    "BigInt": 3,
    "Float": 1.5,
    "Boolean": True,
    "DateTime": "2026-11-01T00:00:00Z",
    "Date": "2026-11-01",
}
VARIANTS = ("valid", "marked", "long", "nul", "surrogate", "wrong")
DEPTH = 2


@dataclass(frozen=True)
class Operation:
    """A document that selects one root field, and its variables."""

    root: str
    name: str
    variant: str
    query: str
    variables: dict[str, Any]


def operations(valid: Mapping[str, Any]) -> Iterator[Operation]:
    """Yields every root field with each kind of values. `valid` holds valid values by the names of
    arguments and input fields.
    """
    graph = schema._schema
    for kind in (graph.mutation_type, graph.query_type, graph.subscription_type):
        assert kind is not None
        for name, field in kind.fields.items():
            yield from (_operation(kind, name, field, variant, valid) for variant in VARIANTS)


def _operation(
    kind: GraphQLObjectType, name: str, field: GraphQLField, variant: str, valid: Mapping[str, Any]
) -> Operation:
    root = kind.name.lower()
    head = ", ".join(
        f"${argument}: {definition.type}" for argument, definition in field.args.items()
    )
    call = ", ".join(f"{argument}: ${argument}" for argument in field.args)
    variables = {
        argument: _value(argument, definition.type, variant, valid)
        for argument, definition in field.args.items()
    }
    variables = {argument: value for argument, value in variables.items() if value is not None}
    document = (
        f"{root}{f'({head})' if head else ''} "
        f"{{ {name}{f'({call})' if call else ''} {_selection(field, DEPTH)} }}"
    )
    return Operation(root, name, variant, document, variables)


def _selection(field: GraphQLField, depth: int) -> str:
    kind = get_named_type(field.type)
    if is_leaf_type(kind):
        return ""
    fields = kind.fields.items() if isinstance(kind, GraphQLObjectType) else []
    selected_fields = [
        f"{name} {_selection(each, depth - 1)}"
        for name, each in fields
        if not any(map(is_required_argument, each.args.values()))
        and (depth or is_leaf_type(get_named_type(each.type)))
    ]
    return f"{{ __typename {' '.join(selected_fields)} }}"


def _value(name: str, kind: GraphQLInputType, variant: str, valid: Mapping[str, Any]) -> Any:
    if isinstance(kind, GraphQLNonNull):
        return _input_value(name, kind.of_type, variant, valid)
    return (
        None
        if variant == "valid" and name not in valid
        else _input_value(name, kind, variant, valid)
    )


def _input_value(name: str, kind: Any, variant: str, valid: Mapping[str, Any]) -> Any:
    if variant == "valid" and name in valid:
        return valid[name]
    if isinstance(kind, GraphQLList):
        return [_value(name, kind.of_type, variant, valid)]
    if isinstance(kind, GraphQLInputObjectType):
        return {
            each: _value(each, definition.type, variant, valid)
            for each, definition in kind.fields.items()
        }
    if isinstance(kind, GraphQLEnumType):
        return TEXT if variant == "wrong" else next(iter(kind.values))
    return _scalar(name, kind.name, variant)


def _scalar(name: str, kind: str, variant: str) -> Any:
    if variant == "wrong":
        return {TEXT: [TEXT]} if kind == "String" else TEXT
    text_value = f"{name} {TEXT}"
    text = {
        "long": text_value * 100,
        "nul": f"{text_value}\0{text_value}",
        "surrogate": f"{text_value}\ud800",
    }.get(variant, text_value)
    return SCALAR_VALUES.get(kind, text)
