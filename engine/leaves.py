"""Scalars and enums, a column at a time.

Nearly every value is already what its type makes of it: a str of a String, an int of an Int. So a column is looked at once,
by the set of its values' classes, and only what is left goes value by value through the type's own `coerce_output_value`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from math import isfinite
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLString,
    Undefined,
)
from graphql.pyutils import inspect

Coerce = Callable[[Sequence[Any]], Sequence[Any]]  # what failed comes back as its exception, in its place

_NONE = type(None)
_INT = range(-(2**31), 2**31)


def coercion(kind: Any) -> Coerce:
    """How columns of a leaf type are coerced. None stays None; an exception stays itself."""
    if kind in _AS_THEY_ARE:
        classes, fine = _AS_THEY_ARE[kind]
        return lambda values: values if _plain(values, classes) and fine(values) else _each(kind, values)
    if isinstance(kind, GraphQLEnumType):
        return lambda values: _enums(kind, values)
    return lambda values: _each(kind, values)


def _plain(values: Sequence[Any], classes: frozenset[type]) -> bool:
    return classes.issuperset(map(type, values))


def _always(values: Sequence[Any]) -> bool:
    return True


def _in_range(values: Sequence[Any]) -> bool:
    given = [value for value in values if value is not None]
    return not given or (min(given) in _INT and max(given) in _INT)


def _finite(values: Sequence[Any]) -> bool:
    return all(isfinite(value) for value in values if value is not None)


_AS_THEY_ARE: dict[Any, tuple[frozenset[type], Callable[[Sequence[Any]], bool]]] = {
    GraphQLString: (frozenset({str, _NONE}), _always),
    GraphQLID: (frozenset({str, _NONE}), _always),
    GraphQLBoolean: (frozenset({bool, _NONE}), _always),
    GraphQLInt: (frozenset({int, _NONE}), _in_range),
    GraphQLFloat: (frozenset({float, _NONE}), _finite),
}


def _enums(kind: GraphQLEnumType, values: Sequence[Any]) -> Sequence[Any]:
    classes = set(map(type, values)) - {_NONE}
    if len(classes) != 1 or not issubclass(classes.pop(), Enum):  # equal values of different classes may differ in their names
        return _each(kind, values)
    distinct = set(values)
    names = dict(zip(distinct, _each(kind, list(distinct)), strict=True))
    return [names[value] for value in values]


def _each(kind: Any, values: Sequence[Any]) -> list[Any]:
    return [value if value is None or isinstance(value, Exception) else _one(kind, value) for value in values]


def _one(kind: Any, value: Any) -> Any:
    if value is Undefined:
        return None
    try:
        coerced = kind.coerce_output_value(value)
    except Exception as error:
        return error
    if coerced is None or coerced is Undefined:
        call = f"`{inspect(kind)}.coerce_output_value({inspect(value)})`"
        return TypeError(f"Expected {call} to return non-nullable value, returned: {inspect(coerced)}")
    return coerced
