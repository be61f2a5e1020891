"""The requests of `bin/bench lists`, derived from the schema: every list and connection, of the
query root and of every object that can be reached by its ID or by a root field, with each order in
both directions, each condition of its filter, its total, its last page and a page in its middle.

The values of most arguments are derived from their types, others are samples. A new one that is
neither fails the command and a test, so no list is forgotten.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import orjson
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_required_argument,
)

PAGING = ("first", "after", "last", "before")
PAGE_SIZE = 20
_RANGE_DAYS = 30


class MissingSample(Exception):
    """An argument can't be derived from its type, and there is no sample of it."""


@dataclass(frozen=True)
class Samples:
    """Values for arguments: by type and field for IDs of objects, by `Type.field` or
    `Type.field.argument` for others. None leaves the argument out.
    """

    ids: Mapping[str, str]
    values: Mapping[str, Sequence[Any]]
    day: date


@dataclass(frozen=True)
class ListRequest:
    """One request for one list. `path` leads to the list in the response."""

    name: str
    query: str
    path: tuple[str, ...]
    has_cursors: bool = False

    @property
    def body(self) -> bytes:
        return orjson.dumps({"query": self.query})

    def page_at(self, argument: str, cursor: str, size: str) -> "ListRequest":
        """The same list with `first` or `last` items after or before a cursor."""
        query = self.query.replace(
            f"first: {PAGE_SIZE}", f'{size}: {PAGE_SIZE}, {argument}: "{cursor}"'
        )
        return ListRequest(f"{self.name} {argument} middle", query, self.path)


def list_fields(schema: GraphQLSchema) -> list[tuple[str, str]]:
    """The type and name of every list and connection of the query root, of the types that
    `node(id:)` returns, and of what other root fields return.
    """
    return [(parent.name, name) for parent in _parents(schema) for name in _lists_of(parent)]


def list_requests(schema: GraphQLSchema, samples: Samples) -> Iterator[ListRequest]:
    """All requests. Raises MissingSample."""
    for parent in _parents(schema):
        for name in _lists_of(parent):
            yield from _requests(schema, samples, parent, name)


def _parents(schema: GraphQLSchema) -> list[GraphQLObjectType]:
    query = schema.query_type
    assert query is not None  # noqa: S101
    node = schema.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)  # noqa: S101
    nodes = schema.get_possible_types(node)
    roots = [get_named_type(each.type) for each in query.fields.values() if not _is_list(each)]
    objects = [each for each in roots if isinstance(each, GraphQLObjectType)]
    return list(dict.fromkeys([query, *sorted(nodes, key=str), *sorted(objects, key=str)]))


def _lists_of(parent: GraphQLObjectType) -> list[str]:
    return [name for name, field in parent.fields.items() if _is_list(field)]


def _is_list(field: GraphQLField) -> bool:
    kind = get_nullable_type(field.type)
    named = get_named_type(field.type)
    if named.name.endswith("Connection"):
        return True
    return is_list_type(kind) and not is_leaf_type(named)


def _requests(
    schema: GraphQLSchema, samples: Samples, parent: GraphQLObjectType, name: str
) -> Iterator[ListRequest]:
    field = parent.fields[name]
    prefix, suffix, path = _path_to(schema, samples, parent)
    is_connection = get_named_type(field.type).name.endswith("Connection")
    selection = _selection(field)
    required = _required_arguments(samples, parent, name, field)
    paging = {"first": str(PAGE_SIZE)} if is_connection else {}

    def request(title: str, arguments: Mapping[str, str], fields: str = selection) -> ListRequest:
        values = ", ".join(f"{each}: {value}" for each, value in arguments.items())
        call = f"{name}({values})" if values else name
        return ListRequest(
            " ".join(filter(None, (f"{parent.name}.{name}", title))),
            f"{{ {prefix}{call} {{ {fields} }}{suffix} }}",
            (*path, name),
            has_cursors=is_connection and not title.startswith("total"),
        )

    for title, arguments in required:
        base = arguments | paging
        yield request(title, base)
        if is_connection:
            yield request(f"total {title}".strip(), arguments, "totalCount isTotalCountExact")
            yield request(f"last {title}".strip(), arguments | {"last": str(PAGE_SIZE)}, selection)
    _, first_arguments = required[0]
    for title, arguments in _variations(samples, parent, name, field):
        yield request(title, first_arguments | arguments | paging)
        if is_connection and "orderBy" not in arguments:
            yield request(f"total {title}", first_arguments | arguments, "totalCount")


def _path_to(
    schema: GraphQLSchema, samples: Samples, parent: GraphQLObjectType
) -> tuple[str, str, tuple[str, ...]]:
    """What leads to an object, in a query and in its response."""
    query = schema.query_type
    assert query is not None  # noqa: S101
    if parent is query:
        return "", "", ()
    if "Node" in {each.name for each in parent.interfaces}:
        if parent.name not in samples.ids:
            raise MissingSample(f"an ID of {parent.name}")
        return (
            f'node(id: "{samples.ids[parent.name]}") {{ ... on {parent.name} {{ ',
            " } }",
            ("node",),
        )
    for name, field in query.fields.items():
        if get_named_type(field.type) is parent and not _is_list(field):
            (_, arguments), *_ = _required_arguments(samples, query, name, field)
            values = ", ".join(f"{each}: {value}" for each, value in arguments.items())
            return f"{name}{f'({values})' if values else ''} {{ ", " }", (name,)
    raise AssertionError(parent.name)


def _selection(field: GraphQLField) -> str:
    named = get_named_type(field.type)
    if not named.name.endswith("Connection"):
        return _leaves(named)
    assert isinstance(named, GraphQLObjectType)  # noqa: S101
    node = get_named_type(named.fields["nodes"].type)
    return f"nodes {{ {_leaves(node)} }} pageInfo {{ startCursor endCursor }}"


def _leaves(kind: Any) -> str:
    """All fields of an object that need neither arguments nor a selection."""
    if isinstance(kind, GraphQLUnionType | GraphQLInterfaceType):
        return "__typename"
    names = [
        name
        for name, field in kind.fields.items()
        if is_leaf_type(get_named_type(field.type))
        and not any(map(is_required_argument, field.args.values()))
    ]
    return " ".join(names) or "__typename"


def _required_arguments(
    samples: Samples, parent: GraphQLObjectType, name: str, field: GraphQLField
) -> list[tuple[str, dict[str, str]]]:
    """The arguments without which a field can't be requested: one set for each sample of the first,
    with the first samples of the others.
    """
    sets: list[tuple[str, dict[str, str]]] = [("", {})]
    for argument, definition in field.args.items():
        if not is_required_argument(definition):
            continue
        values = _argument_values(samples, f"{parent.name}.{name}.{argument}", definition)
        if sets == [("", {})]:
            sets = [(f"{argument}={value}", {argument: value}) for value in values]
        else:
            sets = [(title, arguments | {argument: values[0]}) for title, arguments in sets]
    return sets


def _variations(
    samples: Samples, parent: GraphQLObjectType, name: str, field: GraphQLField
) -> Iterator[tuple[str, dict[str, str]]]:
    """Each optional argument with each of its values, each order and each condition."""
    for argument, definition in field.args.items():
        path = f"{parent.name}.{name}.{argument}"
        if argument in PAGING or is_required_argument(definition):
            continue
        kind = get_named_type(definition.type)
        if argument == "orderBy" and isinstance(kind, GraphQLInputObjectType):
            fields = get_named_type(kind.fields["field"].type)
            assert isinstance(fields, GraphQLEnumType)  # noqa: S101
            for each in fields.values:
                for direction in ("ASC", "DESC"):
                    value = f"{{field: {each}, direction: {direction}}}"
                    yield f"by {each} {direction}", {"orderBy": value}
        elif argument == "filter" and isinstance(kind, GraphQLInputObjectType):
            for condition, input_field in kind.fields.items():
                for value in _values(samples, f"{kind.name}.{condition}", input_field.type):
                    yield f"{condition}={value}", {"filter": f"{{{condition}: {value}}}"}
        else:
            for value in _argument_values(samples, path, definition):
                yield f"{argument}={value}", {argument: value}


def _argument_values(samples: Samples, path: str, definition: GraphQLArgument) -> list[str]:
    return _values(samples, path, definition.type)


def _values(samples: Samples, path: str, kind: Any) -> list[str]:
    """GraphQL literals for an argument or a condition."""
    if path in samples.values:
        return [str(value) for value in samples.values[path]]
    named = get_named_type(kind)
    if isinstance(named, GraphQLEnumType):
        names = list(named.values)
        return [f"[{each}]" for each in names] if is_list_type(get_nullable_type(kind)) else names
    if named.name == "Boolean":
        return ["true", "false"]
    if named.name in ("DateFilter", "DateTimeFilter"):
        suffix = "T00:00:00Z" if named.name == "DateTimeFilter" else ""
        end = samples.day + timedelta(days=_RANGE_DAYS)
        return [f'{{gte: "{samples.day}{suffix}", lt: "{end}{suffix}"}}']
    if named.name in ("Date", "DateTime"):
        return [f'"{samples.day}{"T00:00:00Z" if named.name == "DateTime" else ""}"']
    if isinstance(named, GraphQLInputObjectType) and "eq" in named.fields:
        inner = get_named_type(named.fields["eq"].type)
        if isinstance(inner, GraphQLEnumType):
            return [f"{{eq: {each}}}" for each in inner.values]
        if named.name == "BoolFilter":
            return ["{eq: true}", "{eq: false}"]
        if named.name == "IdFilter":
            return [f'{{eq: "{_id_for(samples, path)}"}}']
    if named.name == "ID":
        return [f'"{_id_for(samples, path)}"']
    raise MissingSample(path)


def _id_for(samples: Samples, path: str) -> str:
    """The ID for an argument that is named after a type, such as `ticketId`."""
    name = path.rsplit(".", 1)[1].removesuffix("Id")
    kind = name[:1].upper() + name[1:]
    if kind not in samples.ids:
        raise MissingSample(path)
    return samples.ids[kind]
