"""Coercion of variables, with graphql-core's results. graphql-core resolves each variable's type
again for each request, which takes half of a small query's time; here that is done once per
document.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLInputType,
    GraphQLNonNull,
    GraphQLSchema,
    OperationDefinitionNode,
    Undefined,
    VariableDefinitionNode,
    coerce_input_value,
    get_nullable_type,
    is_leaf_type,
)
from graphql.execution.get_variable_signature import (
    GraphQLVariableSignature,
    get_variable_signature,
)
from graphql.execution.values import (
    VariableValues,
    VariableValueSource,
    input_is_nested_too_deeply,
)
from graphql.pyutils import print_path_list
from graphql.utilities import validate_input_value
from graphql.utilities.coerce_input_value import coerce_default_value

from engine.documents.document import Document, VariableDefinition
from engine.documents.value_errors import value_message
from engine.errors import RequestError, error_with_code

MAX_ERRORS = 20  # in one response
NO_VARIABLES = VariableValues({}, {})


def coerce_variables(
    schema: GraphQLSchema,
    document: Document,
    operation: OperationDefinitionNode,
    inputs: dict[str, Any],
    suggest_names: bool,
) -> VariableValues:
    """Coerce a request's variables for an operation. Raises `RequestError` with everything that is
    wrong with them.

    With `suggest_names`, errors may suggest names of the schema.
    """
    nodes = operation.variable_definitions
    if not nodes:
        return NO_VARIABLES
    name = operation.name.value if operation.name else None
    if name not in document.variable_definitions:
        document.variable_definitions[name] = [_definition(schema, node) for node in nodes]
    definitions = document.variable_definitions[name]
    if values := _coerce_all(definitions, inputs):
        return values
    raise RequestError(_all_errors(nodes, definitions, inputs, not suggest_names))


class _TooManyErrorsError(Exception):
    """Interrupts the validation of values."""


def _all_errors(
    nodes: Sequence[VariableDefinitionNode],
    definitions: list[VariableDefinition],
    inputs: dict[str, Any],
    hide_suggestions: bool,
) -> list[dict[str, Any]]:
    """At most `MAX_ERRORS` errors, formatted for the response."""
    errors: list[dict[str, Any]] = []
    for node, (name, signature, _, _, nullable) in zip(nodes, definitions, strict=True):
        value = inputs.get(name, Undefined)
        if value is Undefined and (signature.default or nullable):
            continue

        def report(
            error: GraphQLError,
            path: list[str | int],
            node: VariableDefinitionNode = node,
            type_: GraphQLInputType = signature.type,
        ) -> None:
            if len(errors) == MAX_ERRORS:
                raise _TooManyErrorsError
            message = value_message(error, type_, path)
            location = f"'${node.variable.name.value}' has invalid value{print_path_list(path)}"
            errors.append(error_with_code(GraphQLError(f"Variable {location}: {message}", node)))

        try:
            if input_is_nested_too_deeply(value, signature.type):
                raise RecursionError
            validate_input_value(value, signature.type, report, hide_suggestions)
        except _TooManyErrorsError:
            return [*errors, _error("There are too many errors in the variables.")]
        except RecursionError:
            errors.append(_error("Variable values are nested too deeply."))
    return errors or [_error("The variables are invalid.")]


def _error(message: str) -> dict[str, Any]:
    return error_with_code(GraphQLError(message))


def _definition(schema: GraphQLSchema, node: Any) -> VariableDefinition:
    signature = get_variable_signature(schema, node)
    if isinstance(signature, GraphQLError):  # validation should have found it
        raise RequestError([error_with_code(signature)])
    type_ = get_nullable_type(signature.type)
    leaf_type = type_ if is_leaf_type(type_) else None
    nullable = not isinstance(signature.type, GraphQLNonNull)
    return VariableDefinition(
        signature.name, signature, VariableValueSource(signature), leaf_type, nullable
    )


def _coerce_all(
    definitions: list[VariableDefinition], inputs: dict[str, Any]
) -> VariableValues | None:
    """The coerced values; None when any is invalid; graphql-core then produces the errors."""
    sources, values = {}, {}
    for name, signature, missing_source, leaf_type, nullable in definitions:
        value = inputs.get(name, Undefined)
        if value is Undefined:
            sources[name] = missing_source
            if signature.default:
                values[name] = coerce_default_value(signature)
            elif not nullable:
                return None
            continue
        sources[name] = VariableValueSource(signature, value)
        try:
            values[name] = coerced_value = _coerce(value, signature, leaf_type, nullable)
        except Exception:
            return None
        if coerced_value is Undefined:
            return None
    return VariableValues(sources, values)


def _coerce(value: Any, signature: GraphQLVariableSignature, leaf_type: Any, nullable: bool) -> Any:
    """The coerced value; Undefined when it is invalid."""
    if value is None:
        return None if nullable else Undefined
    if leaf_type:
        return leaf_type.coerce_input_value(value)
    if not _is_flat(value) and input_is_nested_too_deeply(value, signature.type):
        return Undefined
    return coerce_input_value(value, signature.type)


def _is_flat(value: Any) -> bool:
    """Whether a value contains no lists and objects, as most input objects."""
    return isinstance(value, dict) and not any(
        isinstance(each, dict | list) for each in value.values()
    )
