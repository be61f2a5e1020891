"""Which operations are the same to an event of a subscription's source, so that one result can serve many."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from graphql import Node, OperationDefinitionNode, VariableNode
from graphql.language import visit
from graphql.language.visitor import Visitor

from engine.engine import Operation


def kind(operation: Operation) -> Hashable | None:
    """Equal for subscriptions that give equal results for an event, in contexts that are the same to them.

    The arguments of the subscription's own field don't count: they chose the source, and an event passes them by. None
    where values of variables can't be compared.
    """
    coerced = operation.variables.coerced
    values = tuple((name, frozen(coerced[name])) for name in sorted(_telling(operation)) if name in coerced)
    key = (operation.source.id, operation.name, values, operation.cost, operation.cost_limit)
    try:
        hash(key)
    except TypeError:
        return None
    return key


def frozen(value: Any) -> Hashable:
    """A coerced value as something to compare: 1, 1.0 and true are three values."""
    if isinstance(value, dict):
        return (dict, tuple((name, frozen(inner)) for name, inner in value.items()))
    if isinstance(value, list | tuple):
        return (list, tuple(map(frozen, value)))
    return (type(value), value)


def _telling(operation: Operation) -> set[str]:
    """The variables that an event's result may depend on."""
    told = _Variables(operation.definition)
    visit(operation.definition, told)
    for fragment in operation.source.fragments.values():
        visit(fragment, told)
    return told.names


class _Variables(Visitor):
    def __init__(self, definition: OperationDefinitionNode) -> None:
        super().__init__()
        self.names: set[str] = set()
        self._fields = [id(each) for each in definition.selection_set.selections]

    def enter_variable_definition(self, *_: Any) -> Any:
        return self.SKIP

    def enter_argument(self, node: Node, _key: Any, parent: Any, _path: Any, ancestors: list[Any]) -> Any:
        # ancestors: ..., the field's selection list, the field, and its tuple of arguments as the parent
        holder = ancestors[-1] if ancestors else None
        return self.SKIP if id(holder) in self._fields else None

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.names.add(node.name.value)
