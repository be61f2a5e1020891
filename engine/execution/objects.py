"""The objects below one field: found in its values, whether each row holds one, none or lists of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from graphql import Undefined

from engine.execution.completion import missing
from engine.execution.errors import Faults
from engine.execution.level import Found, Level, Lists, Place, Spread
from engine.execution.plan import Field
from engine.execution.value_flags import traits

LISTS = frozenset({list, tuple})


def all_plain(level: Level, field: Field, values: Sequence[Any]) -> Found | Lists | None:
    """The objects in the values, where these are of the field's one type and there is nothing else; None otherwise.

    Nulls may be among them where the field may be null.
    """
    if field.leaf or field.abstract:
        return None
    if field.depth == 0:
        return _one_each(level, field, values)
    if field.depth > 1 or not LISTS.issuperset(map(type, values)):
        return None
    sources = list(chain.from_iterable(values))
    return Lists(list(map(len, values)), sources, level.rows, field.key) if field.admits(sources) else None


def _one_each(level: Level, field: Field, values: Sequence[Any]) -> Found | None:
    if field.admits(values):
        return Found(values, range(len(values)), [], level.rows, [field.key] * len(values))
    if not field.nullable[0]:
        return None
    numbers = [number for number, value in enumerate(values) if value is not None]
    sources, rows = [values[number] for number in numbers], level.rows
    found = Found(sources, numbers, [], [rows[number] for number in numbers], [field.key] * len(numbers))
    return found if field.admits(sources) else None


def spread(level: Level, field: Field, values: Sequence[Any], faults: Faults) -> Found:
    """Every object in the values, nulls and failures put in their places."""
    size, rows = len(values), level.rows
    if field.depth == 0 and not traits(values):
        return Found(values, range(size), [], rows, [field.key] * size)
    found = Spread([], [], [], [], [])
    for number, value in enumerate(values):
        _spread(level, number, field, (), value, rows[number], field.key, found, faults)
    return Found(*found)


def _spread(
    level: Level, number: int, field: Field, place: Place, value: Any, holder: Any, key: Any, found: Spread, faults: Faults
) -> None:
    if value is None or value is Undefined:
        if not field.nullable[len(place)]:
            faults.fail(level, number, field, place, missing(field))
    elif isinstance(value, Exception):
        faults.fail(level, number, field, place, value)
    elif len(place) == field.depth:
        found.add(value, number, place, holder, key)
    elif field.depth == 1 and not traits(value):
        holder[key] = [None] * len(value)
        found.add_list(value, number, holder[key])
    else:
        holder[key] = inner = [None] * len(value)
        for position, item in enumerate(value):
            _spread(level, number, field, (*place, position), item, inner, position, found, faults)
