"""Statements by the shape of a query: written once by the ORM, then only filled with values.

Writing a SELECT takes the ORM 100 microseconds, and our queries have few shapes: the same filters on the same columns, with
other values. A shape is everything of a query but its values. For a new shape the ORM writes the statement with a placeholder
in place of each value, so nothing has to be guessed about which parameter is which; an encoder is kept for each, the ORM's
own. A list is one value, whatever its length: an array for PostgreSQL, a JSON text for SQLite. What the ORM can't write with
placeholders (a text search, say) is written anew each time, with its values.

Shapes are kept up to a number: a client may select any columns, and must not fill the memory with them.
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

from models.database.instances import Make, maker

MOST_SHAPES = 2_000
Encode = Callable[[Any], Any]
_COMPARISONS = {operator.eq, operator.ge, operator.le, operator.gt, operator.lt, not_equal}
_UNSUPPORTED = ("_annotations", "_prefetch_map", "_select_related", "_select_for_update", "_group_bys", "_orderings",
                "_limit", "_offset", "_fields_for_select")  # fmt: skip


class Asked(NamedTuple):
    """What is read, besides the queryset's own filters."""

    columns: tuple[str, ...]
    order: tuple[str, ...]  # columns, with `-` where the largest value comes first
    limited: bool
    among: str | None  # a column whose value is one of several keys
    each: bool  # the limit counts for the rows of each key


class Statement(NamedTuple):
    """A statement, and for each place the encoder of its value; `make` makes rows of what it finds."""

    text: str
    encoders: tuple[Encode, ...]
    make: Make


class Filled(NamedTuple):
    """A statement with its values."""

    text: str
    values: list[Any]
    make: Make


class _Unplain(Exception):
    """This can't be written with placeholders."""


_kept: dict[Any, Statement | None] = {}


def filled(found: QuerySet[Any], asked: Asked, dialect: str, keys: Collection[Any] | None, limit: int | None) -> Filled:
    """The statement of a query: `keys` are those that `asked.among` names, `limit` is a number of rows."""
    shape: list[Any] = [found.model, asked, dialect, found._distinct]
    values: list[Any] = []
    try:
        for node in found._q_objects:
            _walk(node, shape, values)
        known = _known(tuple(shape), found, asked, dialect)
    except _Unplain:
        return _unshaped(found, asked, dialect, keys, limit)
    values += [each for each in (keys, limit) if each is not None]
    return Filled(known.text, [encode(value) for encode, value in zip(known.encoders, values, strict=True)], known.make)


def _walk(node: Q, shape: list[Any], values: list[Any]) -> None:
    shape += (node.join_type, node._is_negated, len(node.children), len(node.filters))
    for child in node.children:
        _walk(child, shape, values)
    for name, value in node.filters.items():
        if _said(name, value):
            shape += (name, value)
        elif isinstance(value, str | int | date | list | tuple | set | frozenset):
            shape += (name, "?")
            values.append(value)
        else:
            raise _Unplain


def _said(name: str, value: object) -> bool:
    return value is None or name.endswith("isnull")  # written as IS NULL, without a value


def _known(shape: tuple[Any, ...], found: QuerySet[Any], asked: Asked, dialect: str) -> Statement:
    if shape not in _kept:
        if len(_kept) >= MOST_SHAPES:
            del _kept[next(iter(_kept))]
        _kept[shape] = _written(found, asked, dialect)
    if (known := _kept[shape]) is None:
        raise _Unplain
    return known


def _written(found: QuerySet[Any], asked: Asked, dialect: str) -> Statement | None:
    marks = _Marks(found.model, dialect)
    try:
        filters = [marks.node(node) for node in found._q_objects]
    except _Unplain:
        return None
    text = _each(found, filters, asked, marks) if asked.each else _plain(found, filters, asked, marks)
    return Statement(text, tuple(marks.encoders), maker(found.model, asked.columns, dialect))


def _plain(found: QuerySet[Any], filters: list[Q], asked: Asked, marks: "_Marks") -> str:
    among = [marks.leaf(f"{asked.among}__in")] if asked.among else []
    query = _query(found, asked).filter(*filters, *among)
    return _sql(query, marks.next(int) if asked.limited else None)


def _each(found: QuerySet[Any], filters: list[Q], asked: Asked, marks: "_Marks") -> str:
    """The first rows of each key, in one statement: PostgreSQL looks for each key's by the index that has them in order."""
    assert asked.among, "the limit counts for each key"  # noqa: S101
    # What is put together here are names of our own models' columns, nothing of a request.
    order = ", ".join(f'"{name.removeprefix("-")}"{" DESC" if name[0] == "-" else ""}' for name in asked.order)
    columns = ", ".join(f'"{name}"' for name in asked.columns)
    by = (name.removeprefix("-") for name in asked.order)  # read inside, to be ordered by outside
    among, asked = asked.among, asked._replace(columns=tuple(dict.fromkeys((*asked.columns, asked.among, *by))))
    if marks.dialect == "postgres":
        keys, limit = marks.next(list), marks.next(int)
        inner = _sql(_query(found, asked).filter(*filters, _is(among, '"parent"."key"')), limit)
        source = f'unnest({keys}::BIGINT[]) AS "parent"("key") CROSS JOIN LATERAL ({inner}) AS "found"'
        return f"SELECT {columns} FROM {source} ORDER BY {order}"  # noqa: S608
    inner = _sql(_query(found, asked._replace(order=())).filter(*filters, marks.leaf(f"{among}__in")))
    place = f'row_number() OVER (PARTITION BY "{among}" ORDER BY {order})'
    ranked = f'SELECT *, {place} AS "place" FROM ({inner})'  # noqa: S608
    return f'SELECT {columns} FROM ({ranked}) WHERE "place" <= {marks.next(int)} ORDER BY {order}'  # noqa: S608


def _query(found: QuerySet[Any], asked: Asked) -> QuerySet[Any]:
    for name in _UNSUPPORTED:
        if getattr(found, name):
            raise TypeError(f"filters only, not {name}")
    query = QuerySet(found.model).only(*asked.columns).order_by(*asked.order)
    query._distinct = found._distinct
    return query


def _sql(query: QuerySet[Any], limit: str | None = None) -> str:
    query._make_query()
    if limit:
        query.query._limit = Parameter(limit)  # type: ignore[assignment] # only its SQL is asked for
    return query.query.get_sql()


def _unshaped(found: QuerySet[Any], asked: Asked, dialect: str, keys: Collection[Any] | None, limit: int | None) -> Filled:
    if asked.each:
        raise TypeError("a limit for each key needs filters that can be written with placeholders")
    query = _query(found, asked).filter(*found._q_objects)
    query = query if asked.among is None else query.filter(**{f"{asked.among}__in": keys})
    query = query if limit is None else query.limit(limit)
    query._make_query()
    text, values = query.query.get_parameterized_sql()
    return Filled(text, values, maker(found.model, asked.columns, dialect))


class _Marks:
    """Puts placeholders into filters, and notes how the value of each is encoded."""

    def __init__(self, model: type[Model], dialect: str) -> None:
        self.model, self.dialect = model, dialect
        self.encoders: list[Encode] = []

    def next(self, encode: Encode) -> str:
        """The next placeholder, its number said."""
        self.encoders.append(encode)
        return f"{'$' if self.dialect == 'postgres' else '?'}{len(self.encoders)}"

    def node(self, node: Q) -> Q:
        """The same conditions with placeholders, numbered in the order in which `_walk` meets their values."""
        children = [self.node(child) for child in node.children]
        filters: dict[str, Any] = node.filters
        children += [Q(**{name: value}) if _said(name, value) else self.leaf(name) for name, value in filters.items()]
        marked = Q(*children, join_type=node.join_type)
        marked._is_negated = node._is_negated
        return marked

    def leaf(self, name: str) -> Q:
        """One condition with a placeholder."""
        field, comparison = _compared(self.model, name)
        if comparison in _COMPARISONS:
            return _is(name, self.next(partial(field.to_db_value, instance=self.model)))
        if comparison is not is_in or not isinstance(field, IntField | CharField):
            raise _Unplain
        encode = _list(field)
        if self.dialect == "postgres":
            return _is(name.removesuffix("__in"), f"ANY({self.next(encode)})")
        place = self.next(lambda keys: orjson.dumps(encode(keys)).decode())
        return _is(name, f"(SELECT value FROM json_each({place}))")  # noqa: S608 - a placeholder


def _is(name: str, place: str) -> Q:
    condition: dict[str, Any] = {name: Parameter(place)}
    return Q(**condition)


def _compared(model: type[Model], name: str) -> tuple[Field[Any], Any]:
    """The field and the operator of a filter's name, through relations."""
    meta, (related, _, rest) = model._meta, name.partition("__")
    if name not in meta.filters:
        if related not in meta.fetch_fields:
            raise _Unplain
        return _compared(meta.fields_map[related].related_model, rest)  # type: ignore[attr-defined] # of a relation
    filter_ = meta.filters[name]
    if "table" in filter_:
        raise _Unplain
    return meta.fields_map[filter_["field"]], filter_["operator"]


def _list(field: Field[Any]) -> Encode:
    if type(field) in (IntField, BigIntField):
        return list
    return lambda values: [field.to_db_value(value, field.model) for value in values]
