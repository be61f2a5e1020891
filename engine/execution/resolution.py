"""Resolution of one field for all objects of a level.

A resolve function returns a column, one value for each object. An exception that a resolver raises
becomes the value, so the failure of one object doesn't stop the others, and each resolver runs
exactly once. The column of a batch is pending.

Strawberry wraps each resolver to convert its arguments, build its `Info` and call its extensions. A
field with extensions (permissions are extensions) is called as Strawberry defines it. A field
without them is called directly, with the arguments that the wrapper would have passed. A field
without a resolver is read from the object.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from operator import attrgetter
from typing import Any

from graphql import GraphQLSchema, default_field_resolver
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from engine.execution.arguments import are_immutable
from engine.execution.awaitables import is_awaitable
from engine.execution.codegen import is_readable
from engine.execution.columns import Column, PendingColumn, batch_column, collect
from engine.execution.context import ExecutionContext
from engine.execution.deferred import Batch, Deferred
from engine.execution.input_objects import Converter, UnsupportedType, build_converter
from engine.execution.level import Level
from engine.execution.plan import FieldPlan, Resolve

GetArguments = Callable[[], dict[str, Any]]


def resolve_function(schema: GraphQLSchema, field: FieldPlan, batch: Batch | None) -> Resolve:
    """The function that resolves a field."""
    if field.name == "__typename":
        return lambda context, level: [field.parent.name] * len(level.sources)
    direct_field = _direct_field(schema, field.definition)
    if batch and (direct_field or not _strawberry_field(field.definition)):
        return _batch_resolver(schema, field, batch, direct_field)
    if direct_field is None:
        return _wrapped_resolver(field, field.definition.resolve or default_field_resolver)
    if getter := _getter(direct_field):
        return lambda context, level: collect(len(level.sources), map(getter, level.sources))
    return _direct_resolver(schema, field, direct_field)


def plain_attribute(schema: GraphQLSchema, field: FieldPlan, batch: Batch | None) -> str | None:
    """The attribute of the object that is the field's value; None when the field does anything
    else.
    """
    direct_field = None if batch else _direct_field(schema, field.definition)
    if (
        direct_field is None
        or direct_field.base_resolver is not None
        or direct_field.default_resolver is not getattr
    ):
        return None
    return direct_field.python_name if is_readable(direct_field.python_name) else None


def _strawberry_field(definition: Any) -> StrawberryField | None:
    field = (definition.extensions or {}).get("strawberry-definition")
    return field if isinstance(field, StrawberryField) else None


def _direct_field(schema: GraphQLSchema, definition: Any) -> StrawberryField | None:
    """The Strawberry field, if everything that Strawberry does around its resolver can be done
    here; None otherwise.
    """
    strawberry_field = _strawberry_field(definition)
    strawberry_schema = getattr(schema, "_strawberry_schema", None)
    if strawberry_field is None or strawberry_schema is None:
        return None
    if strawberry_field.extensions or strawberry_field.is_subscription:
        return None
    if strawberry_schema.schema_converter._exception_handler_specs:
        return None
    if not getattr(definition.resolve, "__qualname__", "").startswith(
        "GraphQLCoreConverter.from_resolver."
    ):
        return None  # the resolver was wrapped again
    return strawberry_field


def _getter(strawberry_field: StrawberryField) -> Callable[[Any], Any] | None:
    """A function of the object alone that resolves the field; None when it needs an info or
    arguments.
    """
    if strawberry_field.base_resolver is not None:
        function: Any = strawberry_field.base_resolver.wrapped_func
        takes_root_only = _reserved_parameters(strawberry_field.base_resolver) == {"root": None}
        return function if takes_root_only and not strawberry_field.arguments else None
    if strawberry_field.default_resolver is getattr:
        return attrgetter(strawberry_field.python_name)
    default_resolver, name = strawberry_field.default_resolver, strawberry_field.python_name
    return lambda source: default_resolver(source, name)


def _wrapped_resolver(field: FieldPlan, resolver: Callable[..., Any]) -> Resolve:
    """Calls a resolver in the way of graphql-core."""

    def resolve(context: ExecutionContext, level: Level) -> Column:
        arguments = _arguments_per_row(level, partial(field.arguments, context.variables))

        def call(source: Any, row: int) -> Any:
            return resolver(source, context.info(level, row, field), **arguments())

        return _call_resolver_per_row(level, call)

    return resolve


def _direct_resolver(
    schema: GraphQLSchema, field: FieldPlan, strawberry_field: StrawberryField
) -> Resolve:
    """Calls the function that Strawberry's resolver wraps."""
    resolver: Any = strawberry_field.base_resolver
    function, reserved_names = resolver.wrapped_func, _reserved_parameters(resolver)
    get_arguments = _argument_conversion(schema, field, strawberry_field)

    def resolve(context: ExecutionContext, level: Level) -> Column:
        arguments = get_arguments(context, level)

        def call(source: Any, row: int) -> Any:
            kwargs = dict(arguments())
            if "info" in reserved_names:
                kwargs[reserved_names["info"]] = _strawberry_info(
                    context, level, row, field, strawberry_field
                )
            if "root" not in reserved_names:
                return function(**kwargs)
            if reserved_names["root"] is None:
                return function(source, **kwargs)
            return function(**{reserved_names["root"]: source}, **kwargs)

        return _call_resolver_per_row(level, call)

    return resolve


def _batch_resolver(
    schema: GraphQLSchema, field: FieldPlan, batch: Batch, strawberry_field: StrawberryField | None
) -> Resolve:
    """Calls a batch once for the whole level."""
    get_arguments = _argument_conversion(schema, field, strawberry_field)

    def resolve(context: ExecutionContext, level: Level) -> Column | PendingColumn:
        try:
            result: Any = batch(context.context, level.sources, **get_arguments(context, level)())
        except Exception as error:
            return [error] * len(level.sources)
        if isinstance(result, Deferred):
            return PendingColumn(result.fetch(field.selection))
        return (
            PendingColumn(result)
            if is_awaitable(result)
            else batch_column(len(level.sources), result)
        )

    return resolve


def _call_resolver_per_row(level: Level, call: Callable[[Any, int], Any]) -> Column:
    """Call for each object and row number; an exception becomes the value."""
    size = len(level.sources)
    if size > 1:
        return collect(size, map(call, level.sources, range(size)))
    try:
        return [call(level.sources[0], 0)]
    except Exception as error:
        return [error]


def _argument_conversion(
    schema: Any, field: FieldPlan, strawberry_field: StrawberryField | None
) -> Callable[[ExecutionContext, Level], GetArguments]:
    """How a field's arguments become those of its resolver, for each row of a level."""
    convert = _convert_function(schema, field, strawberry_field)
    if convert is None:
        return lambda context, level: dict
    return lambda context, level: _arguments_per_row(level, partial(convert, context, level))


def _arguments_per_row(level: Level, get_arguments: GetArguments) -> GetArguments:
    """Coerce the arguments once for a level if no resolver can modify them, otherwise again for
    each row.
    """
    if len(level.sources) == 1:
        return get_arguments
    try:
        arguments = get_arguments()
    except Exception:
        return get_arguments
    if are_immutable(arguments):
        return lambda: arguments
    first = iter([arguments])
    return lambda: next(first, None) or get_arguments()


def _convert_function(
    schema: Any, field: FieldPlan, strawberry_field: StrawberryField | None
) -> Callable[[ExecutionContext, Level], dict[str, Any]] | None:
    """A function that coerces the arguments and converts them for Strawberry; None when the field
    has no arguments.
    """
    if strawberry_field is None:
        return lambda context, level: field.arguments(context.variables)
    if not strawberry_field.arguments:
        return None
    schema_converter = schema._strawberry_schema.schema_converter
    config, registry = schema_converter.config, schema_converter.scalar_registry
    with suppress(UnsupportedType):
        conversions = {
            config.name_converter.from_argument(each): (
                each.python_name,
                build_converter(each.type, registry, config),
            )
            for each in strawberry_field.arguments
        }
        return lambda context, level: _convert_all(conversions, field.arguments(context.variables))

    def convert(context: ExecutionContext, level: Level) -> dict[str, Any]:
        arguments = field.arguments(context.variables)
        if not arguments:
            return arguments
        info = _strawberry_info(context, level, 0, field, strawberry_field)
        return convert_arguments(arguments, strawberry_field.arguments, registry, config, info)

    return convert


def _convert_all(
    conversions: Mapping[str, tuple[str, Converter]], arguments: dict[str, Any]
) -> dict[str, Any]:
    converted_arguments = {}
    for name, value in arguments.items():
        python_name, convert = conversions[name]
        converted_arguments[python_name] = convert(value)
    return converted_arguments


def _strawberry_info(
    context: ExecutionContext,
    level: Level,
    row: int,
    field: FieldPlan,
    strawberry_field: StrawberryField,
) -> Any:
    schema: Any = context.schema
    info_class = schema._strawberry_schema.schema_converter.config.info_class
    return info_class(_raw_info=context.info(level, row, field), _field=strawberry_field)


def _reserved_parameters(resolver: Any) -> dict[str, Any]:
    """The names of the resolver's parameters for the root and the info; None for a root that is
    passed by position.
    """
    reserved_names: dict[str, Any] = {}
    if parameter := resolver.parent_parameter or resolver.root_parameter:
        first = next(iter(resolver.signature.parameters.values()))
        is_positional = (
            first.name == parameter.name and first.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        )
        reserved_names["root"] = None if is_positional else parameter.name
    if resolver.self_parameter:
        reserved_names["root"] = None
    if parameter := resolver.info_parameter:
        reserved_names["info"] = parameter.name
    return reserved_names
