"""Columns: what one field holds for all objects of a level, looked at and made ready together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Sequence
from types import CoroutineType
from typing import Any

from graphql import GraphQLError, Undefined
from graphql.pyutils import is_iterable

from engine.execution.deferred import Deferred
from engine.execution.level import Place
from engine.execution.plan import Field
from engine.execution.value_flags import WAITS, traits, waits


def opened(values: Sequence[Any], field: Field, depth: int, waiting: list[tuple[list[Any], int]]) -> Sequence[Any]:
    """The values with all lists made lists, `depth` deep; what must be awaited is noted with its place in ours."""
    if traits(values) & WAITS:
        values = list(values)
        waiting.extend((values, number) for number, value in enumerate(values) if waits(value))
    if depth == 0:
        return values
    opened = list(values)
    for number, value in enumerate(values):
        opened[number] = value if waits(value) else _open(value, field, depth, waiting, (opened, number))
    waiting[:] = [(opened if container is values else container, number) for container, number in waiting]
    return opened


def _open(value: Any, field: Field, depth: int, waiting: list[tuple[list[Any], int]], place: tuple[list[Any], int]) -> Any:
    if isinstance(value, list | tuple):
        return opened(value, field, depth - 1, waiting)
    if value is None or value is Undefined or isinstance(value, Exception):
        return value
    if isinstance(value, AsyncIterable):
        waiting.append(place)
        return _gathered(value)
    if not is_iterable(value):
        return GraphQLError(f"Expected Iterable, but did not find one for field '{field.parent}.{field.name}'.")
    items: list[Any] = []
    try:
        items.extend(value)
    except Exception as error:
        _abandon(items)
        return error
    return opened(items, field, depth - 1, waiting)


def _abandon(items: Sequence[Any]) -> None:
    """What a list held before it failed is not awaited any more."""
    for item in items:
        if isinstance(item, CoroutineType):
            item.close()


async def _gathered(values: AsyncIterable[Any]) -> list[Any]:
    return [value async for value in values]


async def arrivals(values: Sequence[Any], field: Field) -> list[Any]:
    """What each value was awaited to, or the exception it raised; a value that needs no awaiting is itself."""
    found = await asyncio.gather(*(arrival(value, field) for value in values if waits(value)), return_exceptions=True)
    for value in found:
        if isinstance(value, BaseException) and not isinstance(value, Exception):
            raise value  # a cancellation is nobody's value
    arrived = iter(found)
    return [next(arrived) if waits(value) else value for value in values]


async def arrival(value: Any, field: Field) -> Any:
    """What a value was awaited to, or the exception it raised."""
    try:
        while waits(value):
            value = await (value.fetch(field.selection) if isinstance(value, Deferred) else value)
    except Exception as error:
        return error
    return value


def coerced(field: Field, value: Any, place: Place, faults: list[tuple[Place, Exception]]) -> Any:
    """A leaf, or a list of them, with null where there is a fault."""
    if value is None or value is Undefined:
        if not field.nullable[len(place)]:
            faults.append((place, missing(field)))
        return None
    if isinstance(value, Exception):
        faults.append((place, value))
        return None
    if len(place) < field.depth:
        return [coerced(field, item, (*place, position), faults) for position, item in enumerate(value)]
    assert field.leaf is not None  # noqa: S101 - objects are spread
    [found] = field.leaf.coerce([value])
    if isinstance(found, Exception):
        faults.append((place, found))
        return None
    return found


def missing(field: Field) -> TypeError:
    """Null where there may be none, in graphql-core's words."""
    return TypeError(f"Cannot return null for non-nullable field {field.parent}.{field.name}.")
