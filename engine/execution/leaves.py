"""Coercion of scalars and enums, a column at a time.

Nearly every value already is what its type would make of it: a str for String, an int for Int. So a
column is checked once, by the set of its values' classes, and only the rest goes through the type's
own `coerce_output_value`.

Dates, and times in UTC, whose scalar formats them in ISO 8601, stay as they are: the JSON encoder
(encoding.py) writes the same text in a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

from engine.execution.columns import collect
from engine.execution.value_flags import ERROR, NULL, column_flags

_NONE = type(None)
_INT_RANGE = range(-(2**31), 2**31)


class NotPlain(Exception):
    """A value needs more than generated code does (codegen.py), so its level has to be executed by
    columns.
    """


def raise_not_plain(value: Any, source: Any = None, name: str = "") -> NoReturn:
    """Raise `NotPlain` for the value of this attribute of the source.

    The attribute will be read again. If each reading creates a new coroutine, the ones created so
    far are closed.
    """
    if isinstance(value, CoroutineType) and name:
        second_value = getattr(source, name, None)
        if second_value is not value:
            for each in (value, second_value):
                if isinstance(each, CoroutineType):
                    each.close()
    raise NotPlain


class LeafType:
    """Coerces the values of a scalar or an enum. A column whose classes are all in `exact_types`
    needs no coercion if `is_valid`, where there is one, accepts it.
    """

    def __init__(self, type_: Any, nullable: bool) -> None:
        exact_type, is_valid = _BUILT_IN_TYPES.get(type_) or (_scalar_class(type_), None)
        self.is_valid: Callable[[Sequence[Any]], bool] | None = is_valid
        self.exact_types = (
            frozenset({exact_type, _NONE} if nullable else {exact_type})
            if exact_type
            else frozenset()
        )
        self._type, self._coerce = type_, type_.coerce_output_value

    def is_coerced(self, values: Sequence[Any]) -> bool:
        """Whether the column needs no coercion and contains no errors."""
        return self.exact_types.issuperset(map(type, values)) and (
            self.is_valid is None or self.is_valid(values)
        )

    def coerce(self, values: Sequence[Any]) -> list[Any]:
        """The coerced column. None and exceptions stay; a value that can't be coerced is replaced
        by the exception.
        """
        if isinstance(self._type, GraphQLEnumType) and (names := self._enum_names(values)):
            return [names[value] for value in values]
        if not column_flags(values) & (ERROR | NULL):
            coerced = collect(len(values), map(self._coerce, values))
            if not column_flags(coerced) & (ERROR | NULL):
                return coerced
        else:
            coerced = collect(len(values), map(self._coerce_one, values))
        return [self._check_coerced(*pair) for pair in zip(values, coerced, strict=True)]

    def generated_code(
        self, variable: str, arguments: str, number: int
    ) -> tuple[list[str], dict[str, Any]]:
        """Lines of code that check and coerce a variable that is not None, and the globals they
        need.

        The code raises `NotPlain`, or whatever the coercion raises. `arguments` are the variable,
        its source and attribute, as arguments in code. `number` makes names of globals unique.
        """
        known_name, coerce_name = f"known{number}", f"coerce{number}"
        if self._type in _BUILT_IN_TYPES:
            invalid_condition = _INVALID_CONDITIONS.get(self._type, "").format(value=variable)
            exact_type = _BUILT_IN_TYPES[self._type][0]
            condition = f"{variable}.__class__ is not {known_name}{invalid_condition}"
            return [f"if {condition}: raise_not_plain({arguments})"], {
                known_name: exact_type,
                "isfinite": isfinite,
            }
        if isinstance(self._type, GraphQLEnumType):
            lines = [
                f"if {variable}.__class__ not in {known_name}: {known_name}.add_class({arguments})",
                f"{variable} = {known_name}[{variable}.__class__][{variable}]",
            ]
            return lines, {known_name: _EnumNames(self._coerce)}
        check = f"if flags[{variable}.__class__]: raise_not_plain({arguments})"
        lines = [check, f"{variable} = {coerce_name}({variable})", check]
        names = {coerce_name: self._coerce, "date": date, "datetime": datetime, "UTC": UTC}
        if self._coerce is isoformat:
            condition = (
                f"{variable}.__class__ is not date and ({variable}.__class__ is not datetime or "
                f"{variable}.tzinfo is not UTC)"
            )
        elif self.exact_types:
            condition, names[known_name] = f"{variable}.__class__ is not {known_name}", self._coerce
        else:
            return lines, names
        return [f"if {condition}:", *(f"    {line}" for line in lines)], names

    def _coerce_one(self, value: Any) -> Any:
        return value if value is None or isinstance(value, Exception) else self._coerce(value)

    def _check_coerced(self, value: Any, coerced: Any) -> Any:
        if value is None or value is Undefined:
            return None
        if coerced is None or coerced is Undefined:
            call = f"`{inspect(self._type)}.coerce_output_value({inspect(value)})`"
            return TypeError(
                f"Expected {call} to return non-nullable value, returned: {inspect(coerced)}"
            )
        return coerced

    def _enum_names(self, values: Sequence[Any]) -> dict[Any, Any] | None:
        """The enum's names by value; None unless all values are members of one Python Enum, whose
        equality is identity.
        """
        classes = set(map(type, values)) - {_NONE}
        if len(classes) != 1 or not issubclass(classes.pop(), Enum):
            return None
        try:
            distinct_values = list(set(values))
        except TypeError:  # unhashable members
            return None
        names = collect(len(distinct_values), map(self._coerce_one, distinct_values))
        return {
            value: self._check_coerced(value, name)
            for value, name in zip(distinct_values, names, strict=True)
        }


class _EnumNames(dict[type, dict[Any, Any]]):
    """An enum's names, by Python Enum class and member. Other values are not cached: they may be
    many, or compare equal.
    """

    def __init__(self, coerce: Callable[[Any], Any]) -> None:
        super().__init__()
        self._coerce = coerce

    def add_class(self, value: Any, *attribute: Any) -> None:
        """Add the names of a member's class. Raises `NotPlain` for other values, or whatever the
        coercion raises.
        """
        if not isinstance(value, Enum):
            raise_not_plain(value, *attribute)
        names = {member: self._coerce(member) for member in type(value)}
        if not all(type(name) is str for name in names.values()):
            raise_not_plain(value)
        self[type(value)] = names


def _scalar_class(type_: Any) -> type | None:
    """The class whose values a custom scalar leaves as they are, because it coerces by this class's
    constructor.
    """
    constructor = type_.coerce_output_value
    return constructor if constructor in (int, str) else None


def _in_int_range(values: Sequence[Any]) -> bool:
    numbers = values if None not in values else [value for value in values if value is not None]
    return not numbers or (min(numbers) in _INT_RANGE and max(numbers) in _INT_RANGE)


def _are_finite(values: Sequence[Any]) -> bool:
    return all(isfinite(value) for value in values if value is not None)


_INVALID_CONDITIONS = {
    GraphQLInt: " or not -2147483648 <= {value} <= 2147483647",
    GraphQLFloat: " or not isfinite({value})",
}
_BUILT_IN_TYPES: dict[Any, tuple[type, Callable[[Sequence[Any]], bool] | None]] = {
    GraphQLString: (str, None),
    GraphQLID: (str, None),
    GraphQLBoolean: (bool, None),
    GraphQLInt: (int, _in_int_range),
    GraphQLFloat: (float, _are_finite),
}
