"""The objects in the values of a field, whether each row has one, none, or lists of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from graphql import Undefined

from engine.execution.completion import null_error
from engine.execution.errors import ErrorCollector
from engine.execution.level import Children, ChildrenBuilder, Indices, Level, ListChildren
from engine.execution.plan import FieldPlan
from engine.execution.value_flags import column_flags

LIST_CLASSES = frozenset({list, tuple})


def plain_children(
    level: Level, field: FieldPlan, values: Sequence[Any]
) -> Children | ListChildren | None:
    """The objects in the values, if all are of the field's one type and there is nothing else; None
    otherwise.

    Values may be null if the field may be null.
    """
    if field.leaf or field.is_abstract:
        return None
    if field.list_depth == 0:
        return _single_children(level, field, values)
    if field.list_depth > 1 or not LIST_CLASSES.issuperset(map(type, values)):
        return None
    sources = list(chain.from_iterable(values))
    return (
        ListChildren(list(map(len, values)), sources, level.rows, field.key)
        if field.are_objects(sources)
        else None
    )


def _single_children(level: Level, field: FieldPlan, values: Sequence[Any]) -> Children | None:
    if field.are_objects(values):
        return Children(values, range(len(values)), [], level.rows, [field.key] * len(values))
    if not field.nullable[0]:
        return None
    numbers = [row for row, value in enumerate(values) if value is not None]
    sources, rows = [values[row] for row in numbers], level.rows
    children = Children(
        sources, numbers, [], [rows[row] for row in numbers], [field.key] * len(numbers)
    )
    return children if field.are_objects(sources) else None


def collect_children(
    level: Level, field: FieldPlan, values: Sequence[Any], errors: ErrorCollector
) -> Children:
    """Every object in the values. Nulls and errors are stored in the rows."""
    size, rows = len(values), level.rows
    if field.list_depth == 0 and not column_flags(values):
        return Children(values, range(size), [], rows, [field.key] * size)
    children = ChildrenBuilder([], [], [], [], [])
    for row, value in enumerate(values):
        _collect(level, row, field, (), value, rows[row], field.key, children, errors)
    return Children(*children)


def _collect(
    level: Level,
    row: int,
    field: FieldPlan,
    indices: Indices,
    value: Any,
    container: Any,
    key: Any,
    children: ChildrenBuilder,
    errors: ErrorCollector,
) -> None:
    if value is None or value is Undefined:
        if not field.nullable[len(indices)]:
            errors.add(level, row, field, indices, null_error(field))
    elif isinstance(value, Exception):
        errors.add(level, row, field, indices, value)
    elif len(indices) == field.list_depth:
        children.add(value, row, indices, container, key)
    elif field.list_depth == 1 and not column_flags(value):
        container[key] = [None] * len(value)
        children.add_list(value, row, container[key])
    else:
        container[key] = rows = [None] * len(value)
        for index, item in enumerate(value):
            _collect(level, row, field, (*indices, index), item, rows, index, children, errors)
