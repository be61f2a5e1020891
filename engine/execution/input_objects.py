"""Conversion of coerced input values to what Strawberry's resolvers take, by functions created once
per type.

Strawberry inspects the type again for each value; for an input object that takes longer than a
short database query. These functions do the same as its `convert_argument`. Some types are left to
Strawberry: global ids, `Maybe`, types that construct their own values, and recursive types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any

from strawberry.relay import GlobalID
from strawberry.types.arguments import _is_leaf_type
from strawberry.types.base import (
    StrawberryList,
    StrawberryMaybe,
    StrawberryOptional,
    has_object_definition,
)
from strawberry.types.enum import has_enum_definition
from strawberry.types.lazy_type import LazyType

Converter = Callable[[Any], Any]


class UnsupportedType(Exception):
    """The values of this type have to be converted by Strawberry itself."""


def build_converter(
    type_: Any, registry: Any, config: Any, outer_types: tuple[Any, ...] = ()
) -> Converter:
    """A function that converts a value of this Strawberry type, given as coerced by graphql-core.
    Raises `UnsupportedType`.
    """
    while isinstance(type_, StrawberryOptional | LazyType):
        if isinstance(type_, StrawberryMaybe):
            raise UnsupportedType
        type_ = type_.of_type if isinstance(type_, StrawberryOptional) else type_.resolve_type()
    if isinstance(type_, StrawberryList):
        return _list_converter(type_.of_type, registry, config, outer_types)
    if _is_leaf_type(type_, registry, (GlobalID,)) or has_enum_definition(type_):
        return _identity
    if (
        not has_object_definition(type_)
        or type_ in outer_types
        or not type_.__strawberry_definition__.is_input
    ):
        raise UnsupportedType
    return _object_converter(type_, registry, config, (*outer_types, type_))


def _identity(value: Any) -> Any:
    return value


def _list_converter(
    item_type: Any, registry: Any, config: Any, outer_types: tuple[Any, ...]
) -> Converter:
    convert_item = build_converter(item_type, registry, config, outer_types)
    return lambda values: None if values is None else list(map(convert_item, values))


def _object_converter(
    type_: Any, registry: Any, config: Any, outer_types: tuple[Any, ...]
) -> Converter:
    definition = type_.__strawberry_definition__
    if definition.from_input is not None:
        raise UnsupportedType
    required_fields = {
        field.python_name: None
        for field in definition.fields
        if field.default_value is MISSING and field.default_factory is MISSING
    }
    fields = {
        config.name_converter.from_field(field): (
            field.python_name,
            build_converter(
                field.resolve_type(type_definition=definition), registry, config, outer_types
            ),
        )
        for field in definition.fields
    }

    def convert(value: Mapping[str, Any] | None) -> Any:
        if value is None:
            return None
        arguments: dict[str, Any] = dict(required_fields)
        for name, field_value in value.items():
            python_name, convert_field = fields[name]
            arguments[python_name] = convert_field(field_value)
        return type_(**arguments)

    return convert
