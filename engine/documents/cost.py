"""What an operation may cost, told before it runs: an upper bound of the objects it can return.

A field of an object, interface or union type costs 1, a scalar or an enum nothing; a field may cost more by itself (the
engine's `cost_of`). Lists multiply. A field with a `first` or `last` argument is sized: the larger of the two given, or
the argument's default, or 20. If it returns a list, all below it counts that often; if it returns a connection, only what
lies in its `nodes` and `edges`. A list that nothing sizes counts `LIST_SIZE` times. What @skip and @include leave out
costs nothing, and introspection doesn't (depth and graphql-core's own rule bound it). A field that is selected twice
counts twice, though the answers merge: the bound stays simple and never too low.

A selection set's cost is a pair (fixed, per item), because a fragment on a connection may be spread under parents of
different sizes. So each fragment is computed once per operation and the whole is linear in the document's size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

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

from engine.documents.measure import SATURATED

if TYPE_CHECKING:
    from engine.documents.store import Document

PAGE_SIZE = 20  # of a sized list whose size neither the operation nor the schema gives
LIST_SIZE = 10  # of a list that nothing sizes

CostOf = Callable[[GraphQLField], int | Callable[[dict[str, Any]], int]]
SIZES = ("first", "last")
KEPT_COSTS = 16  # of one document
SMALL = frozenset({int, bool, type(None), type(Undefined)})  # values worth keeping: a caller's long strings are not


def extension_cost(definition: GraphQLField) -> int | Callable[[dict[str, Any]], int]:
    """What a field costs by itself, beyond the objects it returns, or how that follows from its arguments: its
    `extensions["cost"]`, or nothing."""
    cost: int | Callable[[dict[str, Any]], int] = definition.extensions.get("cost", 0)
    return cost


class Cost(NamedTuple):
    """Of a selection set: `fixed`, and `each` item of the list its parent sizes."""

    fixed: int = 0
    each: int = 0

    def times(self, size: int) -> int:
        return min(SATURATED, self.fixed + size * self.each)


@dataclass
class Tally:
    """The costs of one operation's selection sets, given its variables."""

    schema: GraphQLSchema
    variables: VariableValues
    fragments: Mapping[str, FragmentDefinitionNode]
    cost_of: CostOf
    spread: dict[str, Cost]

    def operation(self, operation: OperationDefinitionNode, ordered: list[str]) -> int:
        """The operation's cost; `ordered` names the fragments, each after those it spreads."""
        for name in ordered:
            fragment = self.fragments[name]
            parent = self.schema.get_type(fragment.type_condition.name.value)
            self.spread[name] = self.selections(fragment.selection_set, parent)
        root = self.schema.get_root_type(operation.operation)
        return self.selections(operation.selection_set, root).times(LIST_SIZE)

    def selections(self, node: SelectionSetNode, parent: Any) -> Cost:
        fixed = each = 0
        for selection in node.selections:
            if self._included(selection):
                cost = self._selection(selection, parent)
                fixed, each = min(SATURATED, fixed + cost.fixed), min(SATURATED, each + cost.each)
        return Cost(fixed, each)

    def _selection(self, node: SelectionNode, parent: GraphQLCompositeType) -> Cost:
        if isinstance(node, FragmentSpreadNode):
            return self.spread[node.name.value]
        if isinstance(node, InlineFragmentNode):
            condition = node.type_condition
            return self.selections(node.selection_set, self.schema.get_type(condition.name.value) if condition else parent)
        return self._field(node, parent) if isinstance(node, FieldNode) else Cost()

    def _field(self, node: FieldNode, parent: GraphQLCompositeType) -> Cost:
        definition = self.schema.get_field(parent, node.name.value)
        if definition is None:  # validation has refused the unknown field already
            return Cost()
        args = self._arguments(node, definition)
        own, kind = self.cost_of(definition), get_named_type(definition.type)
        own = own(args) if callable(own) else own
        if not is_composite_type(kind) or kind.name.startswith("__"):
            return Cost(own)
        inside = self.selections(node.selection_set, kind) if node.selection_set else Cost()
        size = sized(definition, args)
        if not _is_list(definition.type):
            return Cost(own + 1 + inside.times(LIST_SIZE if size is None else size))
        if size is None and node.name.value in {"nodes", "edges"}:
            return Cost(own, 1 + inside.times(LIST_SIZE))
        return Cost(min(SATURATED, own + (LIST_SIZE if size is None else size) * (1 + inside.times(LIST_SIZE))))

    def _arguments(self, node: FieldNode, definition: GraphQLField) -> dict[str, Any]:
        try:
            return get_argument_values(definition, node, self.variables) if definition.args else {}
        except GraphQLError:  # the field will fail with the same error when it is executed
            return {}

    def _included(self, node: SelectionNode) -> bool:
        if not node.directives:
            return True
        try:
            skip = get_directive_values(GraphQLSkipDirective, node, self.variables)
            include = get_directive_values(GraphQLIncludeDirective, node, self.variables)
        except GraphQLError:  # null where a default was; the execution will say so
            return True
        return not (skip and skip["if"]) and not (include and not include["if"])


def sized(definition: GraphQLField, args: Mapping[str, Any]) -> int | None:
    """How many items a field was asked for; None when it has no `first` or `last` argument."""
    names = [name for name in SIZES if name in definition.args]
    if not names:
        return None
    given = [value for name in names if isinstance(value := _given(definition, name, args), int)]
    return max(0, *given) if given else PAGE_SIZE


def _given(definition: GraphQLField, name: str, args: Mapping[str, Any]) -> Any:
    return args.get(definition.args[name].out_name or name, Undefined)


def _is_list(kind: GraphQLOutputType) -> bool:
    return is_list_type(kind.of_type if isinstance(kind, GraphQLNonNull) else kind)


def counted(
    schema: GraphQLSchema, source: Document, operation: OperationDefinitionNode, variables: VariableValues, cost_of: CostOf
) -> int:
    """The cost of a document's operation, kept with it by the values of the variables that matter."""
    if source.weights is None:
        source.weights = weights(schema, source.node, cost_of)
    values = [variables.coerced.get(name, Undefined) for name in source.weights]
    if not SMALL.issuperset(map(type, values)):
        return Tally(schema, variables, source.fragments, cost_of, {}).operation(operation, source.ordered)
    key = (operation.name and operation.name.value, *values)
    if key not in source.costs:
        if len(source.costs) >= KEPT_COSTS:
            source.costs.clear()
        source.costs[key] = Tally(schema, variables, source.fragments, cost_of, {}).operation(operation, source.ordered)
    return source.costs[key]


def weights(schema: GraphQLSchema, document: DocumentNode, cost_of: CostOf) -> tuple[str, ...]:
    """The variables that costs depend on: those of directives, of `first` and `last`, and of costs worked out of arguments."""
    weighing = _Weighing(TypeInfo(schema), cost_of)
    visit(document, TypeInfoVisitor(weighing.types, weighing))
    return tuple(weighing.found)


class _Weighing(Visitor):
    def __init__(self, types: TypeInfo, cost_of: CostOf) -> None:
        super().__init__()
        self.types, self._cost_of = types, cost_of
        self.found: dict[str, None] = {}

    def enter_variable(self, node: VariableNode, _key: Any, parent: Any, _path: Any, ancestors: list[Any]) -> None:
        field = self.types.get_field_def()
        if any(map(_weighs, [parent, *ancestors])) or (field and callable(self._cost_of(field))):
            self.found[node.name.value] = None


def _weighs(node: Any) -> bool:
    return isinstance(node, DirectiveNode) or (isinstance(node, ArgumentNode) and node.name.value in SIZES)
