"""Input values as Strawberry's resolvers want them, by functions made once for each type.

Strawberry looks at a type anew for each value; for an input object that takes longer than a short statement. These functions
do what its `convert_argument` does. `Unknown` is raised, in making one, for what is left to Strawberry itself: global ids,
`Maybe`, types that build their own value, and types that hold themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any

from strawberry.relay import GlobalID
from strawberry.types.arguments import _is_leaf_type
from strawberry.types.base import StrawberryList, StrawberryMaybe, StrawberryOptional, has_object_definition
from strawberry.types.enum import has_enum_definition
from strawberry.types.lazy_type import LazyType

Convert = Callable[[Any], Any]


class Unknown(Exception):
    """Strawberry has to convert this type's values itself."""


def converter(kind: Any, registry: Any, config: Any, outer: tuple[Any, ...] = ()) -> Convert:
    """A function of a value of this Strawberry type, as graphql-core coerced it. Raises Unknown."""
    while isinstance(kind, StrawberryOptional | LazyType):
        if isinstance(kind, StrawberryMaybe):
            raise Unknown
        kind = kind.of_type if isinstance(kind, StrawberryOptional) else kind.resolve_type()
    if isinstance(kind, StrawberryList):
        return _list(kind.of_type, registry, config, outer)
    if _is_leaf_type(kind, registry, (GlobalID,)) or has_enum_definition(kind):
        return _itself
    if not has_object_definition(kind) or kind in outer or not kind.__strawberry_definition__.is_input:
        raise Unknown
    return _object(kind, registry, config, (*outer, kind))


def _itself(value: Any) -> Any:
    return value


def _list(kind: Any, registry: Any, config: Any, outer: tuple[Any, ...]) -> Convert:
    inner = converter(kind, registry, config, outer)
    return lambda values: None if values is None else list(map(inner, values))


def _object(kind: Any, registry: Any, config: Any, outer: tuple[Any, ...]) -> Convert:
    definition = kind.__strawberry_definition__
    if definition.from_input is not None:
        raise Unknown
    absent = {
        field.python_name: None
        for field in definition.fields
        if field.default_value is MISSING and field.default_factory is MISSING
    }
    known = {
        config.name_converter.from_field(field): (
            field.python_name,
            converter(field.resolve_type(type_definition=definition), registry, config, outer),
        )
        for field in definition.fields
    }

    def made(value: Mapping[str, Any] | None) -> Any:
        if value is None:
            return None
        given: dict[str, Any] = dict(absent)
        for name, each in value.items():
            python_name, convert = known[name]
            given[python_name] = convert(each)
        return kind(**given)

    return made
