"""Descriptions of enums: the models' own enums, with a text for each value."""

from enum import Enum

import strawberry


def describe_enum(enum: type[Enum], description: str, values: dict[str, str]) -> None:
    """Make an enum of the models an enum of the schema. Each value must have a description."""
    strawberry.enum(enum, description=description)
    definition = enum.__strawberry_definition__  # type: ignore[attr-defined] # set by the line above
    for value in definition.values:
        value.description = values[value.name]
