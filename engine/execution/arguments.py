"""Coercion of a field's arguments, prepared once per plan as far as they don't depend on
variables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from graphql import (
    ArgumentNode,
    FieldNode,
    GraphQLField,
    GraphQLNonNull,
    Node,
    VariableNode,
    Visitor,
    get_argument_values,
    visit,
)
from graphql.execution.values import VariableValues, coerce_argument

CoerceArguments = Callable[[VariableValues], dict[str, Any]]
IMMUTABLE_TYPES = frozenset({str, int, float, bool, type(None)})


def argument_coercion(definition: GraphQLField, node: FieldNode) -> CoerceArguments:
    """A function that coerces the field's arguments, into a new dict for each call. It raises
    GraphQLError.

    It is fast when each argument is either one variable or a constant that can't be modified.
    """

    def coerce(variables: VariableValues) -> dict[str, Any]:
        return get_argument_values(definition, node, variables)

    if not definition.args:
        return lambda variables: {}
    nodes = {argument.name.value: argument.value for argument in node.arguments or ()}
    variable_nodes = {
        name: value for name, value in nodes.items() if isinstance(value, VariableNode)
    }
    if any(variable_names(value) for name, value in nodes.items() if name not in variable_nodes):
        return coerce
    constants: dict[str, Any] = {}
    variable_arguments = []  # (argument, variable, whether null is allowed)
    try:
        for name, argument in definition.args.items():
            if name in variable_nodes:
                nullable = not isinstance(argument.type, GraphQLNonNull)
                variable_arguments.append(
                    (argument.out_name or name, variable_nodes[name].name.value, nullable)
                )
                constants[variable_arguments[-1][0]] = (
                    None  # reserves its position: a resolver may depend on the order
                )
            else:
                coerce_argument(
                    constants, node, name, argument, _argument_node(node, name), None, None
                )
    except Exception:  # each execution raises it again, where it belongs
        return coerce
    if not are_immutable(constants):
        return coerce

    def coerce_fast(variables: VariableValues) -> dict[str, Any]:
        arguments, coerced = dict(constants), variables.coerced
        for name, variable, nullable in variable_arguments:
            value = coerced.get(variable)
            if value is None and not (nullable and variable in coerced):
                return coerce(variables)  # absent, or null where null is not allowed
            arguments[name] = value
        return arguments

    return coerce_fast


def are_immutable(arguments: Mapping[str, Any]) -> bool:
    """Whether no resolver can modify the values, so that all calls can share them."""
    return all(
        type(value) in IMMUTABLE_TYPES or isinstance(value, Enum) for value in arguments.values()
    )


def _argument_node(node: FieldNode, name: str) -> ArgumentNode | None:
    return next((each for each in node.arguments or () if each.name.value == name), None)


def variable_names(node: Node) -> list[str]:
    """The names of the variables used in a node."""
    names: list[str] = []

    class Variables(Visitor):
        def enter_variable(self, variable: VariableNode, *_: Any) -> None:
            names.append(variable.name.value)

    visit(node, Variables())
    return names
