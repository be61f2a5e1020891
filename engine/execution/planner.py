"""Building of plans.

graphql-core itself collects the fields of each selection set, so fragments, aliases, merging and
directives behave as in its executor. Only @skip and @include change what is selected, so a plan is
valid for all executions whose variables give these directives the same values. Selection sets below
a field are planned when an object of their type first occurs.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    Node,
    OperationDefinitionNode,
    Visitor,
    print_ast,
    visit,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import (
    FieldDetails,
    FragmentDetails,
    collect_fields,
    collect_subfields,
)
from graphql.execution.values import VariableValues

from engine.execution.arguments import variable_names
from engine.execution.codegen import compile_rows
from engine.execution.deferred import BatchLookup
from engine.execution.plan import (
    PLAIN_DEPTH,
    ExecutionPlan,
    FieldPlan,
    SelectionPlan,
    is_decided_by_class,
)
from engine.execution.resolution import plain_attribute, resolve_function


def build_plan(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: dict[str, FragmentDetails],
    variables: VariableValues,
    batch_of: BatchLookup,
    core: Executor[Any],
) -> ExecutionPlan:
    """The plan of an operation. Raises GraphQLError when the `if` of a directive on a root field is
    null.

    `variables` must be those of the directives only (`directive_values`): the plan is kept longer
    than the request.
    """
    return _Planner(schema, operation, fragments, variables, batch_of, core).plan


class _Planner:
    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDetails],
        variables: VariableValues,
        batch_of: BatchLookup,
        core: Executor[Any],
    ) -> None:
        self._schema, self._operation, self._fragments = schema, operation, fragments
        self._variables, self._batch_of = variables, batch_of
        self.plan = ExecutionPlan(schema, operation, core, self._select)
        root = schema.get_root_type(operation.operation)
        assert root is not None, "validation checks the root type"  # noqa: S101
        collected_fields = collect_fields(schema, fragments, variables, root, operation)
        self.plan.root = self._selection_plan(root, collected_fields.grouped_field_set, PLAIN_DEPTH)

    def _select(
        self, field: FieldPlan, object_type: GraphQLObjectType, plain_depth: int
    ) -> SelectionPlan:
        collected_fields = collect_subfields(
            self._schema,
            self._fragments,
            self._variables,
            self._operation,
            object_type,
            field.details,
        )
        return self._selection_plan(object_type, collected_fields.grouped_field_set, plain_depth)

    def _selection_plan(
        self,
        object_type: GraphQLObjectType,
        grouped_fields: Mapping[str, list[FieldDetails]],
        plain_depth: int,
    ) -> SelectionPlan:
        definitions = {
            key: self._schema.get_field(object_type, details[0].node.name.value)
            for key, details in grouped_fields.items()
        }
        fields = [
            self._field_plan(
                FieldPlan(self.plan, object_type, position, key, definitions[key], details),
                plain_depth,
            )
            for position, (key, details) in enumerate(grouped_fields.items())
            if definitions[key] is not None
        ]
        self.plan.size += len(fields)
        return SelectionPlan(object_type, fields, compile_rows)

    def _field_plan(self, field: FieldPlan, plain_depth: int) -> FieldPlan:
        batch = self._batch_of(field.definition)
        field.resolve = resolve_function(self._schema, field, batch)
        field.attribute = plain_attribute(self._schema, field, batch)
        field.is_plain = _is_plain(field, plain_depth)
        return field


def _is_plain(field: FieldPlan, plain_depth: int) -> bool:
    if field.name == "__typename":
        return True
    if field.list_depth or field.attribute is None:
        return False
    if field.leaf:
        return True
    if field.is_abstract or not plain_depth or not is_decided_by_class(field.type):
        return False
    with suppress(GraphQLError):  # a directive's `if` is null: reported when an object occurs
        return not field.select(field.type, plain_depth - 1).resolved_fields
    return False


def directive_variables(
    operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDetails]
) -> tuple[str, ...]:
    """The names of the operation's Boolean variables that @skip and @include use, anywhere in the
    document.

    A fragment of another operation may use a variable of the same name. If it is not Boolean here,
    this operation doesn't spread that fragment.
    """
    nodes: list[Node] = [operation, *(fragment.definition for fragment in fragments.values())]
    used_names = {name for node in nodes for name in _directive_variable_names(node)}
    declared_types = {
        each.variable.name.value: each.type for each in operation.variable_definitions or ()
    }
    return tuple(
        sorted(
            name
            for name in used_names & declared_types.keys()
            if print_ast(declared_types[name]) in {"Boolean", "Boolean!"}
        )
    )


def directive_values(variables: VariableValues, names: tuple[str, ...]) -> VariableValues:
    """The variables with these names only."""
    return VariableValues(
        {name: value for name, value in variables.sources.items() if name in names},
        {name: value for name, value in variables.coerced.items() if name in names},
    )


def _directive_variable_names(node: Node) -> list[str]:
    names: list[str] = []

    class Directives(Visitor):
        def enter_directive(self, directive: Any, *_: Any) -> None:
            if directive.name.value in {"skip", "include"}:
                names.extend(variable_names(directive))

    visit(node, Directives())
    return names
