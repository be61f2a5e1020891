"""Finds subscriptions that get the same response to an event, so that it is executed once for many
subscribers.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from graphql import Node, OperationDefinitionNode, VariableNode
from graphql.language import visit
from graphql.language.visitor import Visitor

from engine.documents.operation import Operation


def sharing_key(operation: Operation) -> Hashable | None:
    """A key that is equal for subscriptions whose responses to an event are equal, given equivalent
    contexts.

    The arguments of the subscription's root field don't count: they determine the source stream,
    not what is selected of an event. None when values of variables can't be compared.
    """
    coerced = operation.variables.coerced
    values = tuple(
        (name, _comparable(coerced[name]))
        for name in sorted(_relevant_variables(operation))
        if name in coerced
    )
    key = (operation.document.id, operation.name, values, operation.cost, operation.cost_limit)
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _comparable(value: Any) -> Hashable:
    """A coerced value in a form in which 1, 1.0 and true differ."""
    if isinstance(value, dict):
        return (dict, tuple((name, _comparable(each)) for name, each in value.items()))
    if isinstance(value, list | tuple):
        return (list, tuple(map(_comparable, value)))
    return (type(value), value)


def _relevant_variables(operation: Operation) -> set[str]:
    """The variables that the response to an event may depend on."""
    visitor = _Variables(operation.definition)
    visit(operation.definition, visitor)
    for fragment in operation.document.fragments.values():
        visit(fragment, visitor)
    return visitor.names


class _Variables(Visitor):
    def __init__(self, definition: OperationDefinitionNode) -> None:
        super().__init__()
        self.names: set[str] = set()
        self._root_fields = [id(each) for each in definition.selection_set.selections]

    def enter_variable_definition(self, *_: Any) -> Any:
        return self.SKIP

    def enter_argument(
        self, node: Node, _key: Any, parent: Any, _path: Any, ancestors: list[Any]
    ) -> Any:
        # ancestors end with the list of selections and the field; the parent is the field's tuple
        # of arguments
        field = ancestors[-1] if ancestors else None
        return self.SKIP if id(field) in self._root_fields else None

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.names.add(node.name.value)
