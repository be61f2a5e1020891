"""How one field's values are got for all rows of a level.

A `Resolve` returns a column: a value for each row. What a resolver raises is its value, so one row's failure stops no
other, and each resolver runs exactly once. A batch's column comes `Later`.

Strawberry wraps each resolver to convert its arguments, build its `Info` and call its extensions. A field with extensions
(permissions are extensions) is called as Strawberry defines it. One without them is called directly, with what the wrapper
would have given it; a field without a resolver is read from the object.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from graphql import GraphQLSchema, default_field_resolver
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from engine.execution.arguments import Convert, Unknown, converter
from engine.execution.codegen import readable
from engine.execution.core_executor import awaitable
from engine.execution.deferred import Batch, Deferred
from engine.execution.leaves import collected

if TYPE_CHECKING:
    from engine.execution.executor import Walk
    from engine.execution.level import Level
    from engine.execution.plan import Field

FLAT = frozenset({str, int, float, bool, type(None)})
Column = Sequence[Any]
Arguments = Callable[[], dict[str, Any]]


class Later:
    """A column that is being fetched for the whole level."""

    __slots__ = ("column",)

    def __init__(self, column: Awaitable[Column]) -> None:
        self.column = column


Resolve = Callable[["Walk", "Level"], Column | Later]


def resolution(schema: GraphQLSchema, field: Field, batch: Batch | None) -> Resolve:
    """The way to resolve a field."""
    if field.name == "__typename":
        return lambda walk, level: [field.parent.name] * len(level.sources)
    declared = _declared(schema, field.definition)
    if batch and (declared or not _of_strawberry(field.definition)):
        return _batched(schema, field, batch, declared)
    if declared is None:
        return _called(field, field.definition.resolve or default_field_resolver)
    if get := _getter(declared):
        return lambda walk, level: collected(len(level.sources), map(get, level.sources))
    return _direct(schema, field, declared)


def attribute(schema: GraphQLSchema, field: Field, batch: Batch | None) -> str | None:
    """The attribute that a field reads of its object, if it does nothing else."""
    declared = None if batch else _declared(schema, field.definition)
    if declared is None or declared.base_resolver is not None or declared.default_resolver is not getattr:
        return None
    return declared.python_name if readable(declared.python_name) else None


def _of_strawberry(definition: Any) -> StrawberryField | None:
    declared = (definition.extensions or {}).get("strawberry-definition")
    return declared if isinstance(declared, StrawberryField) else None


def _declared(schema: GraphQLSchema, definition: Any) -> StrawberryField | None:
    """The Strawberry field, if what Strawberry would do around its resolver can be done here."""
    declared, owner = _of_strawberry(definition), getattr(schema, "_strawberry_schema", None)
    if declared is None or owner is None or declared.extensions or declared.is_subscription:
        return None
    if owner.schema_converter._exception_handler_specs:
        return None
    if not getattr(definition.resolve, "__qualname__", "").startswith("GraphQLCoreConverter.from_resolver."):
        return None  # somebody wrapped it
    return declared


def _getter(declared: StrawberryField) -> Callable[[Any], Any] | None:
    """A function of the object alone, where nothing else is needed: an attribute's, or a resolver's of its root."""
    if declared.base_resolver is not None:
        function: Any = declared.base_resolver.wrapped_func
        return function if _reserved(declared.base_resolver) == {"root": None} and not declared.arguments else None
    if declared.default_resolver is getattr:
        return attrgetter(declared.python_name)
    reader, name = declared.default_resolver, declared.python_name
    return lambda source: reader(source, name)


def _called(field: Field, resolver: Callable[..., Any]) -> Resolve:
    conversion = _conversion(None, field, None)

    def resolve(walk: Walk, level: Level) -> Column:
        arguments = conversion(walk, level)

        def call(source: Any, number: int) -> Any:
            info = walk.info(level, number, field)
            return resolver(source, info, **arguments())

        return _each(level, call)

    return resolve


def _each(level: Level, call: Callable[[Any, int], Any]) -> Column:
    """What is called for each object, or what that raised."""
    size = len(level.sources)
    if size > 1:
        return collected(size, map(call, level.sources, range(size)))
    try:
        return [call(level.sources[0], 0)]
    except Exception as error:
        return [error]


def _shared(arguments: Arguments) -> Arguments:
    """Coerce once for a level what no resolver can change; the rest for each row."""
    try:
        found = arguments()
    except Exception:
        return arguments
    if unchanging(found):
        return lambda: found
    first = iter([found])
    return lambda: next(first, None) or arguments()


def unchanging(arguments: dict[str, Any]) -> bool:
    """Whether nobody can change them, so that all may get the same."""
    return all(type(value) in FLAT or isinstance(value, Enum) for value in arguments.values())


def _conversion(schema: Any, field: Field, declared: StrawberryField | None) -> Callable[[Walk, Level], Arguments]:
    """How a field's arguments become what its Strawberry resolver wants, for each row of a level."""
    convert = _converted(schema, field, declared)
    if convert is None:
        return lambda walk, level: dict

    def conversion(walk: Walk, level: Level) -> Arguments:
        arguments = partial(convert, walk, level)
        return arguments if len(level.sources) == 1 else _shared(arguments)

    return conversion


def _converted(schema: Any, field: Field, declared: StrawberryField | None) -> Callable[[Walk, Level], dict[str, Any]] | None:
    if declared is None:
        return lambda walk, level: field.arguments(walk.variables)
    if not declared.arguments:
        return None
    owner = schema._strawberry_schema.schema_converter
    with suppress(Unknown):
        known = {
            owner.config.name_converter.from_argument(each): (
                each.python_name,
                converter(each.type, owner.scalar_registry, owner.config),
            )
            for each in declared.arguments
        }
        return lambda walk, level: _put(known, field.arguments(walk.variables))

    def converted(walk: Walk, level: Level) -> dict[str, Any]:
        given = field.arguments(walk.variables)
        if not given:
            return given
        info = _info(walk, level, 0, field, declared)
        return convert_arguments(given, declared.arguments, owner.scalar_registry, owner.config, info)

    return converted


def _put(known: Mapping[str, tuple[str, Convert]], given: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in given.items():
        python_name, convert = known[name]
        found[python_name] = convert(value)
    return found


def _info(walk: Walk, level: Level, number: int, field: Field, declared: StrawberryField) -> Any:
    converter = walk.schema._strawberry_schema.schema_converter  # type: ignore[attr-defined] # `_declared` has seen it
    return converter.config.info_class(_raw_info=walk.info(level, number, field), _field=declared)


def _direct(schema: GraphQLSchema, field: Field, declared: StrawberryField) -> Resolve:
    resolver: Any = declared.base_resolver
    function, named = resolver.wrapped_func, _reserved(resolver)
    conversion = _conversion(schema, field, declared)

    def resolve(walk: Walk, level: Level) -> Column:
        arguments = conversion(walk, level)

        def call(source: Any, number: int) -> Any:
            given = dict(arguments())
            if "info" in named:
                given[named["info"]] = _info(walk, level, number, field, declared)
            if "root" not in named:
                return function(**given)
            if named["root"] is None:
                return function(source, **given)
            return function(**{named["root"]: source}, **given)

        return _each(level, call)

    return resolve


def _reserved(resolver: Any) -> dict[str, Any]:
    """Which of root and info a resolver takes, by which names; None for a root that can be given by its place."""
    found: dict[str, Any] = {}
    if parameter := resolver.parent_parameter or resolver.root_parameter:
        first = next(iter(resolver.signature.parameters.values()))
        by_place = first.name == parameter.name and first.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        found["root"] = None if by_place else parameter.name
    if resolver.self_parameter:
        found["root"] = None
    if parameter := resolver.info_parameter:
        found["info"] = parameter.name
    return found


def _batched(schema: GraphQLSchema, field: Field, batch: Batch, declared: StrawberryField | None) -> Resolve:
    conversion = _conversion(schema, field, declared)

    def resolve(walk: Walk, level: Level) -> Column | Later:
        try:
            found: Any = batch(walk.context, level.sources, **conversion(walk, level)())
        except Exception as error:
            return [error] * len(level.sources)
        if isinstance(found, Deferred):
            return Later(found.fetch(field.selection))
        return Later(found) if awaitable(found) else of_size(len(level.sources), found)

    return resolve


def of_size(size: int, column: Any) -> Column:
    """What a batch returned, if it is a value for each parent; else the fault, for each."""
    try:
        values = column if isinstance(column, list) else list(column)
        if len(values) != size:
            raise ValueError(f"A batch returned {len(values)} values for {size} parents.")
    except Exception as error:
        return [error] * size
    return values
