"""Rows as deferred values: the operation first tells which fields it selects, then only their
columns are read.

A resolver defines the rows by a queryset, and how they belong to their parents. The columns that a
field reads are declared with the field (schema/fields.py). graphql-core doesn't tell the selected
fields in advance, so it reads all columns.
"""

from collections.abc import Collection, Iterable, Sequence
from operator import attrgetter
from typing import Any

from graphql import GraphQLField
from strawberry.types.field import StrawberryField
from tortoise.models import Model
from tortoise.queryset import QuerySet

from engine import Deferred, Selection
from models.database.reading import all_columns, read

Found = QuerySet[Any]
ID = attrgetter("id")  # of a row; its `pk` takes ten times as long


class One(Deferred):
    """The row of a queryset with a key in a unique column, or None."""

    __slots__ = ("column", "found", "key")

    def __init__(self, found: Found, column: str, key: Any) -> None:
        self.found, self.column, self.key = found, column, key

    async def fetch(self, selection: Selection | None) -> Any:
        rows = await read(
            self.found, columns(self.found.model, [selection]), where_in=(self.column, (self.key,))
        )
        return rows[0] if rows else None


class Only(Deferred):
    """The row of a queryset that has one at most, or None."""

    __slots__ = ("found",)

    def __init__(self, found: Found) -> None:
        self.found = found

    async def fetch(self, selection: Selection | None) -> Any:
        rows = await read(self.found, columns(self.found.model, [selection]), limit=1)
        return rows[0] if rows else None


class ByKey(Deferred):
    """For each parent the row whose ID is the parent's `attribute`, or None, in one statement."""

    __slots__ = ("attribute", "found", "parents")

    def __init__(self, parents: Sequence[Any], attribute: str, found: Found) -> None:
        self.parents, self.attribute, self.found = parents, attribute, found

    async def fetch(self, selection: Selection | None) -> list[Any]:
        keys = list(map(attrgetter(self.attribute), self.parents))
        wanted = {*keys} - {None}
        rows = (
            await read(self.found, columns(self.found.model, [selection]), where_in=("id", wanted))
            if wanted
            else ()
        )
        return list(map({row.id: row for row in rows}.get, keys))


class ByParent(Deferred):
    """For each parent the rows whose column `owner` is the parent's ID, in the given order, in one
    statement.
    """

    __slots__ = ("found", "order", "owner", "parents")

    def __init__(self, parents: Sequence[Model], found: Found, owner: str, *order: str) -> None:
        self.parents, self.found, self.owner, self.order = parents, found, owner, order

    async def fetch(self, selection: Selection | None) -> list[list[Any]]:
        wanted = columns(self.found.model, [selection], self.owner)
        keys = set(map(ID, self.parents))
        return grouped(
            self.parents,
            self.owner,
            await read(self.found, wanted, *self.order, where_in=(self.owner, keys)),
        )


class FirstOfEach(Deferred):
    """For each parent the first row, in the given order, whose column `owner` is the parent's ID,
    or None, in one statement.
    """

    __slots__ = ("found", "order", "owner", "parents")

    def __init__(self, parents: Sequence[Model], found: Found, owner: str, *order: str) -> None:
        self.parents, self.found, self.owner, self.order = parents, found, owner, order

    async def fetch(self, selection: Selection | None) -> list[Any]:
        wanted = columns(self.found.model, [selection], self.owner)
        keys = set(map(ID, self.parents))
        rows = await read(
            self.found, wanted, *self.order, where_in=(self.owner, keys), limit=1, per_key=True
        )
        return [next(iter(mine), None) for mine in grouped(self.parents, self.owner, rows)]


def grouped(parents: Sequence[Model], owner: str, rows: Sequence[Any]) -> list[list[Any]]:
    """For each parent the list of the rows whose column `owner` is its ID, in their order."""
    keys = list(map(ID, parents))
    mine: dict[int, list[Any]] = {key: [] for key in keys}
    for key, row in zip(map(attrgetter(owner), rows), rows, strict=True):
        mine[key].append(row)
    return list(map(mine.__getitem__, keys))


def columns(
    model: type[Model], selections: Collection[Selection | None], *also: str
) -> tuple[str, ...]:
    """The columns of a model that the selected fields read, including its key and `also`."""
    known = [selection for selection in selections if selection is not None]
    if len(known) < len(selections):
        return all_columns(model)
    memo, place = (known[0].memo, (model, also)) if len(known) == 1 else ({}, None)
    if place not in memo:
        memo[place] = _columns(model, known, also)
    return memo[place]  # type: ignore[no-any-return] # a memo holds anything


def _columns(
    model: type[Model], selections: Iterable[Selection], also: Iterable[str]
) -> tuple[str, ...]:
    wanted = {model._meta.pk_attr, *also}
    for selection in selections:
        for name, each in selection.fields.items():
            for selected in each:
                wanted |= _needs(model, name, selected.field)
    return tuple(column for column in all_columns(model) if column in wanted)


def _needs(model: type[Model], name: str, field: GraphQLField) -> set[str]:
    if name.startswith("__"):
        return set()
    declared = field.extensions.get("strawberry-definition")
    if not isinstance(declared, StrawberryField):
        return set(all_columns(model))
    if getattr(declared.origin, "made_of", model) is not model:
        return set()  # a field of another type behind the same interface
    return needs(model, declared)


def needs(model: type[Model], field: StrawberryField) -> set[str]:
    """The columns of a model that a field reads."""
    told = field.metadata.get("needs")
    if told is not None:
        return set(told)
    if field.base_resolver is None and field.python_name in model._meta.fields_db_projection:
        return {field.python_name}
    return set(all_columns(model))
