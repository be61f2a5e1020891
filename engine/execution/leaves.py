"""Scalars and enums, a column at a time.

A date, and a moment of UTC, whose scalar says them in ISO 8601, stay what they are: wire.py's encoder writes the very same
text, in a tenth of the time.

Nearly every value is already what its type makes of it: a str of a String, an int of an Int. So a column is looked at once,
by the set of its values' classes (`Leaf.exact`), and only what is left goes through the type's own `coerce_output_value`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from enum import Enum
from math import isfinite
from types import CoroutineType
from typing import Any, NoReturn

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
from strawberry.schema.types.base_scalars import isoformat

from engine.execution.value_flags import ERROR, NULL, traits

_NONE = type(None)
_INT = range(-(2**31), 2**31)


def collected(size: int, values: Iterator[Any]) -> list[Any]:
    """All the values of a `map`, which goes on after its function raised; in place of a value, what was raised."""
    found: list[Any] = []
    while True:
        try:
            found.extend(values)
            if len(found) == size:
                return found
            found.append(StopIteration())  # a function that raises it ends the map early
        except Exception as error:
            found.append(error)


class Unplain(Exception):
    """A value is not what its field's type makes of it, so columns have to see to it."""


def unplain(value: Any, source: Any = None, name: str = "") -> NoReturn:
    """Raise Unplain. The attribute of this name will be read again: a coroutine that each reading makes is nobody's then."""
    if isinstance(value, CoroutineType) and name:
        again = getattr(source, name, None)
        if again is not value:
            for each in (value, again):
                if isinstance(each, CoroutineType):
                    each.close()
    raise Unplain


class Leaf:
    """How a scalar or an enum is coerced. Columns of no other classes than `exact`, if `fine`, are right as they are."""

    def __init__(self, kind: Any, nullable: bool) -> None:
        exact, fine = _AS_THEY_ARE.get(kind) or _of_scalar(kind)
        self.fine: Callable[[Sequence[Any]], bool] | None = fine
        self.exact = frozenset({exact, _NONE} if nullable else {exact}) if exact else frozenset()
        self._kind, self._coerce = kind, kind.coerce_output_value

    def right(self, values: Sequence[Any]) -> bool:
        """Whether the column is its own coercion, and without faults."""
        return self.exact.issuperset(map(type, values)) and (self.fine is None or self.fine(values))

    def coerce(self, values: Sequence[Any]) -> list[Any]:
        """The coerced column. None stays None, an exception stays itself, and what fails becomes its exception."""
        if isinstance(self._kind, GraphQLEnumType) and (names := self._names(values)):
            return [names[value] for value in values]
        if not traits(values) & (ERROR | NULL):
            found = collected(len(values), map(self._coerce, values))
            if not traits(found) & (ERROR | NULL):
                return found
        else:
            found = collected(len(values), map(self._one, values))
        return [self._checked(*pair) for pair in zip(values, found, strict=True)]

    def source(self, value: str, read: str, number: int) -> tuple[list[str], dict[str, Any]]:
        """Lines of source that check and coerce a variable that isn't null, and what they need: raising Unplain, or whatever
        the coercion raises, where the value is not plain. `read` are the variable, its object and attribute, as arguments."""
        known, coerce = f"known{number}", f"coerce{number}"
        if self._kind in _AS_THEY_ARE:
            fine = _FINE.get(self._kind, "").format(value=value)
            exact = _AS_THEY_ARE[self._kind][0]
            return [f"if {value}.__class__ is not {known}{fine}: unplain({read})"], {known: exact, "isfinite": isfinite}
        if isinstance(self._kind, GraphQLEnumType):
            lines = [
                f"if {value}.__class__ not in {known}: {known}.meet({read})",
                f"{value} = {known}[{value}.__class__][{value}]",
            ]
            return lines, {known: _Members(self._coerce)}
        odd = f"if traits[{value}.__class__]: unplain({read})"
        lines, given = (
            [odd, f"{value} = {coerce}({value})", odd],
            {coerce: self._coerce, "date": date, "datetime": datetime, "UTC": UTC},
        )
        if self._coerce is isoformat:
            unwritten = f"{value}.__class__ is not date and ({value}.__class__ is not datetime or {value}.tzinfo is not UTC)"
        elif self.exact:
            unwritten, given[known] = f"{value}.__class__ is not {known}", self._coerce
        else:
            return lines, given
        return [f"if {unwritten}:", *(f"    {line}" for line in lines)], given

    def _one(self, value: Any) -> Any:
        return value if value is None or isinstance(value, Exception) else self._coerce(value)

    def _checked(self, value: Any, coerced: Any) -> Any:
        if value is None or value is Undefined:
            return None
        if coerced is None or coerced is Undefined:
            call = f"`{inspect(self._kind)}.coerce_output_value({inspect(value)})`"
            return TypeError(f"Expected {call} to return non-nullable value, returned: {inspect(coerced)}")
        return coerced

    def _names(self, values: Sequence[Any]) -> dict[Any, Any] | None:
        """The enum's names of the values; None where they are no members of one Enum, whose equality is identity."""
        classes = set(map(type, values)) - {_NONE}
        if len(classes) != 1 or not issubclass(classes.pop(), Enum):
            return None
        try:
            distinct = list(set(values))
        except TypeError:  # members that can't be hashed
            return None
        names = collected(len(distinct), map(self._one, distinct))
        return {value: self._checked(value, name) for value, name in zip(distinct, names, strict=True)}


class _Members(dict[type, dict[Any, Any]]):
    """An enum's names by the members' class and by the member. Members only: they are few, and equal by identity."""

    def __init__(self, coerce: Callable[[Any], Any]) -> None:
        super().__init__()
        self._coerce = coerce

    def meet(self, value: Any, *place: Any) -> None:
        """Note the names of a member's class. Raises Unplain for anything else, or whatever the coercion raises."""
        if not isinstance(value, Enum):
            unplain(value, *place)
        names = {member: self._coerce(member) for member in type(value)}
        if not all(type(name) is str for name in names.values()):
            unplain(value)
        self[type(value)] = names


def _of_scalar(kind: Any) -> tuple[type | None, None]:
    """A scalar that serializes by a class's own constructor takes that class's values as they are."""
    made_by = kind.coerce_output_value
    return (made_by if made_by in (int, str) else None), None


def _in_range(values: Sequence[Any]) -> bool:
    given = values if None not in values else [value for value in values if value is not None]
    return not given or (min(given) in _INT and max(given) in _INT)


def _finite(values: Sequence[Any]) -> bool:
    return all(isfinite(value) for value in values if value is not None)


_FINE = {
    GraphQLInt: " or not -2147483648 <= {value} <= 2147483647",
    GraphQLFloat: " or not isfinite({value})",
}
_AS_THEY_ARE: dict[Any, tuple[type, Callable[[Sequence[Any]], bool] | None]] = {
    GraphQLString: (str, None),
    GraphQLID: (str, None),
    GraphQLBoolean: (bool, None),
    GraphQLInt: (int, _in_range),
    GraphQLFloat: (float, _finite),
}
