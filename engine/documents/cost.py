"""The cost of an operation, computed before it runs: an upper bound of the number of objects it can
return.

A field whose type is an object, interface or union costs 1; a scalar or enum field costs nothing. A
field may have a cost of its own in addition (the engine's `cost_of`). Lists multiply the cost of
what is selected in them:

- A field with a `first` or `last` argument is *sized*: by the larger of the two values, or the
  argument's default, or 20. If it returns a list, everything selected below it counts that often.
  If it returns a connection, only what is selected in its `nodes` and `edges` does.
- A list that nothing sizes counts `LIST_SIZE` times.

Selections left out by @skip and @include cost nothing, and neither does introspection, which is
bounded by the limit on depth and a rule of graphql-core. A field that is selected twice counts
twice although its results are merged: the bound stays simple and is never too low.

The cost of a selection set is a pair, fixed and per item, because a fragment on a connection may be
spread below fields of different sizes. So each fragment is computed once per operation, and the
whole takes time linear to the document's size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from graphql import (
    ArgumentNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLError,
    GraphQLField,
    GraphQLIncludeDirective,
    GraphQLNonNull,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLSkipDirective,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    Undefined,
    VariableNode,
    Visitor,
    get_argument_values,
    get_directive_values,
    get_named_type,
    is_composite_type,
    is_list_type,
    visit,
)
from graphql.execution.values import VariableValues

from engine.documents.document import Document
from engine.documents.measure import MAX_COUNT

PAGE_SIZE = 20  # of a sized field for which neither the operation nor the schema gives a number
LIST_SIZE = 10  # of a list that nothing sizes

CostFunction = Callable[[GraphQLField], int | Callable[[dict[str, Any]], int]]
SIZE_ARGUMENTS = ("first", "last")
MAX_CACHED_COSTS = 16  # per document
# Types of variables; long strings would stay in memory.
CACHEABLE_TYPES = frozenset({int, bool, type(None), type(Undefined)})


def extension_cost(definition: GraphQLField) -> int | Callable[[dict[str, Any]], int]:
    """The default `cost_of`: the field's `extensions["cost"]`, a number or a function of the
    coerced arguments.
    """
    cost: int | Callable[[dict[str, Any]], int] = definition.extensions.get("cost", 0)
    return cost


class Cost(NamedTuple):
    """The cost of a selection set: `fixed`, plus `per_item` for each item of the list that its
    parent sizes.
    """

    fixed: int = 0
    per_item: int = 0

    def total(self, size: int) -> int:
        """The total for a list of this size."""
        return min(MAX_COUNT, self.fixed + size * self.per_item)


@dataclass
class CostCalculation:
    """The cost of one operation with given variables."""

    schema: GraphQLSchema
    variables: VariableValues
    fragments: Mapping[str, FragmentDefinitionNode]
    cost_of: CostFunction
    fragment_costs: dict[str, Cost]

    def operation(self, operation: OperationDefinitionNode, fragment_order: list[str]) -> int:
        """The operation's cost. `fragment_order` names the fragments, each after those that it
        spreads.
        """
        for name in fragment_order:
            fragment = self.fragments[name]
            parent = self.schema.get_type(fragment.type_condition.name.value)
            self.fragment_costs[name] = self._selection_set(fragment.selection_set, parent)
        root = self.schema.get_root_type(operation.operation)
        return self._selection_set(operation.selection_set, root).total(LIST_SIZE)

    def _selection_set(self, node: SelectionSetNode, parent: Any) -> Cost:
        fixed = per_item = 0
        for selection in node.selections:
            if self._is_included(selection):
                cost = self._selection(selection, parent)
                fixed = min(MAX_COUNT, fixed + cost.fixed)
                per_item = min(MAX_COUNT, per_item + cost.per_item)
        return Cost(fixed, per_item)

    def _selection(self, node: SelectionNode, parent: GraphQLCompositeType) -> Cost:
        if isinstance(node, FragmentSpreadNode):
            return self.fragment_costs[node.name.value]
        if isinstance(node, InlineFragmentNode):
            condition = node.type_condition
            type_ = self.schema.get_type(condition.name.value) if condition else parent
            return self._selection_set(node.selection_set, type_)
        return self._field(node, parent) if isinstance(node, FieldNode) else Cost()

    def _field(self, node: FieldNode, parent: GraphQLCompositeType) -> Cost:
        definition = self.schema.get_field(parent, node.name.value)
        if definition is None:  # validation rejects unknown fields
            return Cost()
        args = self._arguments(node, definition)
        own_cost, type_ = self.cost_of(definition), get_named_type(definition.type)
        own_cost = own_cost(args) if callable(own_cost) else own_cost
        if not is_composite_type(type_) or type_.name.startswith("__"):
            return Cost(own_cost)
        inner_cost = (
            self._selection_set(node.selection_set, type_) if node.selection_set else Cost()
        )
        size = requested_size(definition, args)
        if not _is_list(definition.type):
            return Cost(own_cost + 1 + inner_cost.total(LIST_SIZE if size is None else size))
        if size is None and node.name.value in {"nodes", "edges"}:
            return Cost(own_cost, 1 + inner_cost.total(LIST_SIZE))
        return Cost(
            min(
                MAX_COUNT,
                own_cost
                + (LIST_SIZE if size is None else size) * (1 + inner_cost.total(LIST_SIZE)),
            )
        )

    def _arguments(self, node: FieldNode, definition: GraphQLField) -> dict[str, Any]:
        try:
            return get_argument_values(definition, node, self.variables) if definition.args else {}
        except GraphQLError:  # the field will fail with the same error when it is executed
            return {}

    def _is_included(self, node: SelectionNode) -> bool:
        if not node.directives:
            return True
        try:
            skip = get_directive_values(GraphQLSkipDirective, node, self.variables)
            include = get_directive_values(GraphQLIncludeDirective, node, self.variables)
        except GraphQLError:  # a nullable variable with a default is null; execution will report it
            return True
        return not (skip and skip["if"]) and not (include and not include["if"])


def requested_size(definition: GraphQLField, args: Mapping[str, Any]) -> int | None:
    """The number of items that a field may return; None when it has no `first` or `last`
    argument.
    """
    names = [name for name in SIZE_ARGUMENTS if name in definition.args]
    if not names:
        return None
    sizes = [value for name in names if isinstance(value := _value_of(definition, name, args), int)]
    return max(0, *sizes) if sizes else PAGE_SIZE


def _value_of(definition: GraphQLField, name: str, args: Mapping[str, Any]) -> Any:
    return args.get(definition.args[name].out_name or name, Undefined)


def _is_list(type_: GraphQLOutputType) -> bool:
    return is_list_type(type_.of_type if isinstance(type_, GraphQLNonNull) else type_)


def operation_cost(
    schema: GraphQLSchema,
    document: Document,
    operation: OperationDefinitionNode,
    variables: VariableValues,
    cost_of: CostFunction,
) -> int:
    """The cost of an operation of the document, cached with the document by the values of the
    variables it depends on.
    """
    if document.cost_variables is None:
        document.cost_variables = cost_variables(schema, document.node, cost_of)
    values = [variables.coerced.get(name, Undefined) for name in document.cost_variables]
    if not CACHEABLE_TYPES.issuperset(map(type, values)):
        return _calculate(schema, document, operation, variables, cost_of)
    key = (operation.name and operation.name.value, *values)
    if key not in document.costs:
        if len(document.costs) >= MAX_CACHED_COSTS:
            document.costs.clear()
        document.costs[key] = _calculate(schema, document, operation, variables, cost_of)
    return document.costs[key]


def _calculate(
    schema: GraphQLSchema,
    document: Document,
    operation: OperationDefinitionNode,
    variables: VariableValues,
    cost_of: CostFunction,
) -> int:
    calculation = CostCalculation(schema, variables, document.fragments, cost_of, {})
    return calculation.operation(operation, document.fragment_order)


def cost_variables(
    schema: GraphQLSchema, document: DocumentNode, cost_of: CostFunction
) -> tuple[str, ...]:
    """The names of the variables that costs depend on: those used in directives, in `first` and
    `last`, and in arguments of fields whose own cost is a function of the arguments.
    """
    visitor = _CostVariables(TypeInfo(schema), cost_of)
    visit(document, TypeInfoVisitor(visitor.types, visitor))
    return tuple(visitor.names)


class _CostVariables(Visitor):
    def __init__(self, types: TypeInfo, cost_of: CostFunction) -> None:
        super().__init__()
        self.types, self._cost_of = types, cost_of
        self.names: dict[str, None] = {}

    def enter_variable(
        self, node: VariableNode, _key: Any, parent: Any, _path: Any, ancestors: list[Any]
    ) -> None:
        field = self.types.get_field_def()
        if any(map(_affects_cost, [parent, *ancestors])) or (
            field and callable(self._cost_of(field))
        ):
            self.names[node.name.value] = None


def _affects_cost(node: Any) -> bool:
    return isinstance(node, DirectiveNode) or (
        isinstance(node, ArgumentNode) and node.name.value in SIZE_ARGUMENTS
    )
