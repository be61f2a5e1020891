"""Compile a query once for each shape, then only bind its values.

Building a SELECT takes the ORM 100 microseconds, and our queries have few shapes: the same filters
on the same columns with other values. The shape of a query is everything but its values. For a new
shape the ORM builds the statement with a placeholder in place of each value, so it is certain which
parameter is which, and we keep the ORM's own encoder for each of them. A list is one parameter,
whatever its length: an array for PostgreSQL, a JSON text for SQLite. Queries that the ORM can't
build with placeholders, such as text searches, are built again each time, with their values.

The number of cached shapes is limited: clients may select any columns, and must not be able to fill
the memory with statements.
"""

import operator
from collections.abc import Callable, Collection
from datetime import date
from functools import partial
from typing import Any, NamedTuple

import orjson
from pypika_tortoise.terms import Parameter
from tortoise.expressions import Q
from tortoise.fields import BigIntField, CharField, Field, IntField
from tortoise.filters import is_in, not_equal
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.database.instances import RowFactory, row_factory

MAX_STATEMENTS = 2_000
Encode = Callable[[Any], Any]
_COMPARISONS = {operator.eq, operator.ge, operator.le, operator.gt, operator.lt, not_equal}
_UNSUPPORTED = (
    "_annotations",
    "_prefetch_map",
    "_select_related",
    "_select_for_update",
    "_group_bys",
    "_orderings",
    "_limit",
    "_offset",
    "_fields_for_select",
)


class ReadOptions(NamedTuple):
    """What to read, besides the queryset's own filters."""

    columns: tuple[str, ...]
    order: tuple[str, ...]  # columns, with a leading `-` for descending order
    has_limit: bool
    key_column: str | None  # a column whose value is one of several keys
    per_key: bool  # whether the limit applies to the rows of each key


class CompiledStatement(NamedTuple):
    """A statement, the encoder of each of its parameters, and what creates instances of the rows it
    returns.
    """

    sql: str
    encoders: tuple[Encode, ...]
    create_rows: RowFactory


class BoundStatement(NamedTuple):
    """A statement with its parameters, and what creates instances of the rows it returns."""

    sql: str
    params: list[Any]
    create_rows: RowFactory


class _NotParameterizable(Exception):
    """The query can't be built with placeholders."""


_statements: dict[Any, CompiledStatement | None] = {}


def bind(
    queryset: QuerySet[Any],
    options: ReadOptions,
    dialect: str,
    keys: Collection[Any] | None,
    limit: int | None,
) -> BoundStatement:
    """Return the statement of a query with its parameters. `keys` are the values allowed in
    `options.key_column`.

    Raises TypeError for a queryset with anything but filters.
    """
    shape: list[Any] = [queryset.model, options, dialect, queryset._distinct]
    values: list[Any] = []
    try:
        for node in queryset._q_objects:
            _collect(node, shape, values)
        statement = _cached_statement(tuple(shape), queryset, options, dialect)
    except _NotParameterizable:
        return _bind_uncached(queryset, options, dialect, keys, limit)
    values += [value for value in (keys, limit) if value is not None]
    params = [encode(value) for encode, value in zip(statement.encoders, values, strict=True)]
    return BoundStatement(statement.sql, params, statement.create_rows)


def _collect(node: Q, shape: list[Any], values: list[Any]) -> None:
    """Append a filter's shape and values to these lists, children first."""
    shape += (node.join_type, node._is_negated, len(node.children), len(node.filters))
    for child in node.children:
        _collect(child, shape, values)
    for name, value in node.filters.items():
        if _is_null_check(name, value):
            shape += (name, value)
        elif isinstance(value, str | int | date | list | tuple | set | frozenset):
            shape += (name, "?")
            values.append(value)
        else:
            raise _NotParameterizable


def _is_null_check(name: str, value: object) -> bool:
    return value is None or name.endswith("isnull")  # becomes IS NULL, without a parameter


def _cached_statement(
    shape: tuple[Any, ...], queryset: QuerySet[Any], options: ReadOptions, dialect: str
) -> CompiledStatement:
    if shape not in _statements:
        if len(_statements) >= MAX_STATEMENTS:
            del _statements[next(iter(_statements))]
        _statements[shape] = _compile(queryset, options, dialect)
    if (statement := _statements[shape]) is None:
        raise _NotParameterizable
    return statement


def _compile(
    queryset: QuerySet[Any], options: ReadOptions, dialect: str
) -> CompiledStatement | None:
    placeholders = _Placeholders(queryset.model, dialect)
    try:
        filters = [placeholders.filter(node) for node in queryset._q_objects]
    except _NotParameterizable:
        return None
    build_sql = _per_key_sql if options.per_key else _select_sql
    sql = build_sql(queryset, filters, options, placeholders)
    return CompiledStatement(
        sql, tuple(placeholders.encoders), row_factory(queryset.model, options.columns, dialect)
    )


def _select_sql(
    queryset: QuerySet[Any], filters: list[Q], options: ReadOptions, placeholders: "_Placeholders"
) -> str:
    if options.key_column:
        filters = [*filters, placeholders.condition(f"{options.key_column}__in")]
    query = _query(queryset, options).filter(*filters)
    return _sql(query, placeholders.next(int) if options.has_limit else None)


def _per_key_sql(
    queryset: QuerySet[Any], filters: list[Q], options: ReadOptions, placeholders: "_Placeholders"
) -> str:
    """The first rows of each key, in one statement.

    PostgreSQL looks up the rows of each key in the index that has them in order, by a lateral join.
    SQLite numbers the rows.
    """
    assert options.key_column, "the limit applies to each key"  # noqa: S101
    # The strings joined here are names of our own models' columns, and nothing from a request.
    order = ", ".join(
        f'"{name.removeprefix("-")}"{" DESC" if name[0] == "-" else ""}' for name in options.order
    )
    columns = ", ".join(f'"{name}"' for name in options.columns)
    # the outer query orders by them
    order_columns = (name.removeprefix("-") for name in options.order)
    key_column = options.key_column
    inner_columns = tuple(dict.fromkeys((*options.columns, key_column, *order_columns)))
    options = options._replace(columns=inner_columns)
    if placeholders.dialect == "postgres":
        keys, limit = placeholders.next(list), placeholders.next(int)
        inner = _sql(
            _query(queryset, options).filter(*filters, _equals(key_column, '"parent"."key"')), limit
        )
        source = (
            f'unnest({keys}::BIGINT[]) AS "parent"("key") CROSS JOIN LATERAL ({inner}) AS "row"'
        )
        return f"SELECT {columns} FROM {source} ORDER BY {order}"  # noqa: S608
    inner = _sql(
        _query(queryset, options._replace(order=())).filter(
            *filters, placeholders.condition(f"{key_column}__in")
        )
    )
    position = f'row_number() OVER (PARTITION BY "{key_column}" ORDER BY {order})'
    ranked_rows = f'SELECT *, {position} AS "position" FROM ({inner})'  # noqa: S608
    return (
        f"SELECT {columns} FROM ({ranked_rows})"  # noqa: S608
        f' WHERE "position" <= {placeholders.next(int)} ORDER BY {order}'
    )


def _query(queryset: QuerySet[Any], options: ReadOptions) -> QuerySet[Any]:
    for name in _UNSUPPORTED:
        if getattr(queryset, name):
            raise TypeError(f"filters only, not {name}")
    query = QuerySet(queryset.model).only(*options.columns).order_by(*options.order)
    query._distinct = queryset._distinct
    return query


def _sql(query: QuerySet[Any], limit: str | None = None) -> str:
    query._make_query()
    if limit:
        query.query._limit = Parameter(limit)  # type: ignore[assignment] # only its SQL is needed
    return query.query.get_sql()


def _bind_uncached(
    queryset: QuerySet[Any],
    options: ReadOptions,
    dialect: str,
    keys: Collection[Any] | None,
    limit: int | None,
) -> BoundStatement:
    if options.per_key:
        raise TypeError("a limit per key requires filters that can be built with placeholders")
    query = _query(queryset, options).filter(*queryset._q_objects)
    query = (
        query if options.key_column is None else query.filter(**{f"{options.key_column}__in": keys})
    )
    query = query if limit is None else query.limit(limit)
    query._make_query()
    sql, params = query.query.get_parameterized_sql()
    return BoundStatement(sql, params, row_factory(queryset.model, options.columns, dialect))


class _Placeholders:
    """Replaces the values in filters by placeholders, and collects the encoder of each value."""

    def __init__(self, model: type[Model], dialect: str) -> None:
        self.model, self.dialect = model, dialect
        self.encoders: list[Encode] = []

    def next(self, encode: Encode) -> str:
        """Return the next numbered placeholder."""
        self.encoders.append(encode)
        return f"{'$' if self.dialect == 'postgres' else '?'}{len(self.encoders)}"

    def filter(self, node: Q) -> Q:
        """The same conditions with placeholders, numbered in the order in which `_collect` appends
        the values.
        """
        children = [self.filter(child) for child in node.children]
        filters: dict[str, Any] = node.filters
        for name, value in filters.items():
            children.append(
                Q(**{name: value}) if _is_null_check(name, value) else self.condition(name)
            )
        copy = Q(*children, join_type=node.join_type)
        copy._is_negated = node._is_negated
        return copy

    def condition(self, name: str) -> Q:
        """One condition with a placeholder."""
        field, comparison = _field_and_operator(self.model, name)
        if comparison in _COMPARISONS:
            return _equals(name, self.next(partial(field.to_db_value, instance=self.model)))
        if comparison is not is_in or not isinstance(field, IntField | CharField):
            raise _NotParameterizable
        encode = _list_encoder(field)
        if self.dialect == "postgres":
            return _equals(name.removesuffix("__in"), f"ANY({self.next(encode)})")
        placeholder = self.next(lambda keys: orjson.dumps(encode(keys)).decode())
        return _equals(name, f"(SELECT value FROM json_each({placeholder}))")  # noqa: S608 - a placeholder


def _equals(name: str, sql: str) -> Q:
    condition: dict[str, Any] = {name: Parameter(sql)}
    return Q(**condition)


def _field_and_operator(model: type[Model], name: str) -> tuple[Field[Any], Any]:
    """The field and the operator that a filter's name refers to, following relations."""
    meta, (related, _, rest) = model._meta, name.partition("__")
    if name not in meta.filters:
        if related not in meta.fetch_fields:
            raise _NotParameterizable
        return _field_and_operator(meta.fields_map[related].related_model, rest)  # type: ignore[attr-defined] # a relational field
    filter_ = meta.filters[name]
    if "table" in filter_:
        raise _NotParameterizable
    return meta.fields_map[filter_["field"]], filter_["operator"]


def _list_encoder(field: Field[Any]) -> Encode:
    if type(field) in (IntField, BigIntField):
        return list
    return lambda values: [field.to_db_value(value, field.model) for value in values]
