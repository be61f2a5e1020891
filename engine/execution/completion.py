"""Completion of values: lists become Python lists, awaitables are awaited, leaves are coerced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Sequence
from types import CoroutineType
from typing import Any

from graphql import GraphQLError, Undefined
from graphql.pyutils import is_iterable

from engine.execution.deferred import Deferred
from engine.execution.level import Indices
from engine.execution.plan import FieldPlan
from engine.execution.value_flags import AWAITABLE, column_flags, must_await

# Lists and the indices of values in them that must be awaited.
Pending = list[tuple[list[Any], int]]


def complete_lists(
    values: Sequence[Any], field: FieldPlan, depth: int, pending: Pending
) -> Sequence[Any]:
    """The values with all iterables turned into lists, `depth` levels deep. Adds what must be
    awaited to `pending`.
    """
    if column_flags(values) & AWAITABLE:
        values = list(values)
        pending.extend((values, index) for index, value in enumerate(values) if must_await(value))
    if depth == 0:
        return values
    completed_values = list(values)
    for index, value in enumerate(values):
        completed_values[index] = (
            value
            if must_await(value)
            else _complete_list(value, field, depth, pending, (completed_values, index))
        )
    pending[:] = [
        (completed_values if container is values else container, index)
        for container, index in pending
    ]
    return completed_values


def _complete_list(
    value: Any, field: FieldPlan, depth: int, pending: Pending, position: tuple[list[Any], int]
) -> Any:
    if isinstance(value, list | tuple):
        return complete_lists(value, field, depth - 1, pending)
    if value is None or value is Undefined or isinstance(value, Exception):
        return value
    if isinstance(value, AsyncIterable):
        pending.append(position)
        return _to_list(value)
    if not is_iterable(value):
        return GraphQLError(
            f"Expected Iterable, but did not find one for field '{field.parent}.{field.name}'."
        )
    items: list[Any] = []
    try:
        items.extend(value)
    except Exception as error:
        _close_coroutines(items)
        return error
    return complete_lists(items, field, depth - 1, pending)


def _close_coroutines(items: Sequence[Any]) -> None:
    """Close the coroutines of a list that failed, which nobody will await."""
    for item in items:
        if isinstance(item, CoroutineType):
            item.close()


async def _to_list(values: AsyncIterable[Any]) -> list[Any]:
    return [value async for value in values]


async def await_values(values: Sequence[Any], field: FieldPlan) -> list[Any]:
    """The values with each awaitable replaced by its result, or by the exception that it raised."""
    results = await asyncio.gather(
        *(await_value(value, field) for value in values if must_await(value)),
        return_exceptions=True,
    )
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, Exception):
            raise result  # a cancellation is not a result
    remaining_results = iter(results)
    return [next(remaining_results) if must_await(value) else value for value in values]


async def await_value(value: Any, field: FieldPlan) -> Any:
    """The result of an awaitable, or the exception that it raised."""
    try:
        while must_await(value):
            value = await (value.fetch(field.selection) if isinstance(value, Deferred) else value)
    except Exception as error:
        return error
    return value


def complete_leaf(
    field: FieldPlan, value: Any, indices: Indices, errors: list[tuple[Indices, Exception]]
) -> Any:
    """The coerced leaf, or nested lists of them. Errors are added to `errors`, and null takes the
    place of the value.
    """
    if value is None or value is Undefined:
        if not field.nullable[len(indices)]:
            errors.append((indices, null_error(field)))
        return None
    if isinstance(value, Exception):
        errors.append((indices, value))
        return None
    if len(indices) < field.list_depth:
        return [
            complete_leaf(field, item, (*indices, index), errors)
            for index, item in enumerate(value)
        ]
    assert field.leaf is not None  # noqa: S101 - objects are handled in objects.py
    [coerced] = field.leaf.coerce([value])
    if isinstance(coerced, Exception):
        errors.append((indices, coerced))
        return None
    return coerced


def null_error(field: FieldPlan) -> TypeError:
    """The error for null in a non-null position, with graphql-core's message."""
    return TypeError(f"Cannot return null for non-nullable field {field.parent}.{field.name}.")
