"""Variables, coerced as graphql-core does, which works a variable's type out anew each time: half of a small query's time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from graphql import (
    GraphQLError,
    GraphQLNonNull,
    GraphQLSchema,
    OperationDefinitionNode,
    Undefined,
    coerce_input_value,
    get_nullable_type,
    is_leaf_type,
)
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource, get_variable_values, input_is_nested_too_deeply
from graphql.utilities.coerce_input_value import coerce_default_value

from engine.documents.limits import Rejected
from engine.errors import coded

if TYPE_CHECKING:
    from engine.documents.store import Document

MAX_ERRORS = 20  # named in one answer
NONE = VariableValues({}, {})


class Wanted(NamedTuple):
    """A variable of an operation."""

    name: str
    signature: GraphQLVariableSignature
    absent: VariableValueSource
    leaf: Any  # its scalar or enum, None where it is a list or an input object
    nullable: bool


def coerced(
    schema: GraphQLSchema, source: Document, operation: OperationDefinitionNode, given: dict[str, Any], suggest: bool
) -> VariableValues:
    """The variables' values for an operation. Raises `Rejected` with what is wrong with them; `suggest` as in Library.read."""
    definitions = operation.variable_definitions
    if not definitions:
        return NONE
    name = operation.name.value if operation.name else None
    if name not in source.wanted:
        source.wanted[name] = [_wanted(schema, definition) for definition in definitions]
    if values := _all(source.wanted[name], given):
        return values
    told = get_variable_values(schema, definitions, given, MAX_ERRORS, hide_suggestions=not suggest)
    if isinstance(told, list):
        raise Rejected([coded(error) for error in told])
    return told


def _wanted(schema: GraphQLSchema, definition: Any) -> Wanted:
    signature = get_variable_signature(schema, definition)
    if isinstance(signature, GraphQLError):  # validation has refused it already
        raise Rejected([coded(signature)])
    kind = get_nullable_type(signature.type)
    nullable = not isinstance(signature.type, GraphQLNonNull)
    return Wanted(signature.name, signature, VariableValueSource(signature), kind if is_leaf_type(kind) else None, nullable)


def _all(wanted: list[Wanted], given: dict[str, Any]) -> VariableValues | None:
    """None when a value is wrong: graphql-core then says why."""
    sources, values = {}, {}
    for name, signature, absent, leaf, nullable in wanted:
        value = given.get(name, Undefined)
        if value is Undefined:
            sources[name] = absent
            if signature.default:
                values[name] = coerce_default_value(signature)
            elif not nullable:
                return None
            continue
        sources[name] = VariableValueSource(signature, value)
        try:
            values[name] = found = _one(value, signature, leaf, nullable)
        except Exception:
            return None
        if found is Undefined:
            return None
    return VariableValues(sources, values)


def _one(value: Any, signature: GraphQLVariableSignature, leaf: Any, nullable: bool) -> Any:
    if value is None:
        return None if nullable else Undefined
    if leaf:
        return leaf.coerce_input_value(value)
    return Undefined if input_is_nested_too_deeply(value, signature.type) else coerce_input_value(value, signature.type)
