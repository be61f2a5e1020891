"""Rows as deferred values: the fields that the operation selects are known first, then only their
columns are read.

A resolver defines the rows by a queryset, and how they belong to their parents. The columns that a
field reads are declared with the field (schema/fields.py). graphql-core doesn't announce the
selected fields, so it reads all columns.
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

Rows = QuerySet[Any]
get_id = attrgetter("id")  # of a row; its `pk` takes ten times as long


class RowByKey(Deferred):
    """The row of a queryset with a key in a unique column, or None."""

    __slots__ = ("column", "key", "queryset")

    def __init__(self, queryset: Rows, column: str, key: Any) -> None:
        self.queryset, self.column, self.key = queryset, column, key

    async def fetch(self, selection: Selection | None) -> Any:
        rows = await read(
            self.queryset,
            selected_columns(self.queryset.model, [selection]),
            where_in=(self.column, (self.key,)),
        )
        return rows[0] if rows else None


class OptionalRow(Deferred):
    """The row of a queryset that has one at most, or None."""

    __slots__ = ("queryset",)

    def __init__(self, queryset: Rows) -> None:
        self.queryset = queryset

    async def fetch(self, selection: Selection | None) -> Any:
        rows = await read(
            self.queryset, selected_columns(self.queryset.model, [selection]), limit=1
        )
        return rows[0] if rows else None


class RowByForeignKey(Deferred):
    """For each parent the row whose ID is the parent's `attribute`, or None, in one statement."""

    __slots__ = ("attribute", "parents", "queryset")

    def __init__(self, parents: Sequence[Any], attribute: str, queryset: Rows) -> None:
        self.parents, self.attribute, self.queryset = parents, attribute, queryset

    async def fetch(self, selection: Selection | None) -> list[Any]:
        keys = list(map(attrgetter(self.attribute), self.parents))
        needed_keys = {*keys} - {None}
        rows = (
            await read(
                self.queryset,
                selected_columns(self.queryset.model, [selection]),
                where_in=("id", needed_keys),
            )
            if needed_keys
            else ()
        )
        return list(map({row.id: row for row in rows}.get, keys))


class RowsByParent(Deferred):
    """For each parent the rows whose `parent_column` is the parent's ID, in the given order, in one
    statement.
    """

    __slots__ = ("order", "parent_column", "parents", "queryset")

    def __init__(
        self, parents: Sequence[Model], queryset: Rows, parent_column: str, *order: str
    ) -> None:
        self.parents, self.queryset, self.parent_column, self.order = (
            parents,
            queryset,
            parent_column,
            order,
        )

    async def fetch(self, selection: Selection | None) -> list[list[Any]]:
        column_names = selected_columns(self.queryset.model, [selection], self.parent_column)
        keys = set(map(get_id, self.parents))
        return group_by_parent(
            self.parents,
            self.parent_column,
            await read(
                self.queryset, column_names, *self.order, where_in=(self.parent_column, keys)
            ),
        )


class FirstRowByParent(Deferred):
    """For each parent the first row, in the given order, whose `parent_column` is the parent's ID,
    or None, in one statement.
    """

    __slots__ = ("order", "parent_column", "parents", "queryset")

    def __init__(
        self, parents: Sequence[Model], queryset: Rows, parent_column: str, *order: str
    ) -> None:
        self.parents, self.queryset, self.parent_column, self.order = (
            parents,
            queryset,
            parent_column,
            order,
        )

    async def fetch(self, selection: Selection | None) -> list[Any]:
        column_names = selected_columns(self.queryset.model, [selection], self.parent_column)
        keys = set(map(get_id, self.parents))
        rows = await read(
            self.queryset,
            column_names,
            *self.order,
            where_in=(self.parent_column, keys),
            limit=1,
            per_key=True,
        )
        return [
            next(iter(group), None)
            for group in group_by_parent(self.parents, self.parent_column, rows)
        ]


def group_by_parent(
    parents: Sequence[Model], parent_column: str, rows: Sequence[Any]
) -> list[list[Any]]:
    """For each parent the list of the rows whose `parent_column` is its ID, in their order."""
    keys = list(map(get_id, parents))
    rows_by_key: dict[int, list[Any]] = {key: [] for key in keys}
    for key, row in zip(map(attrgetter(parent_column), rows), rows, strict=True):
        rows_by_key[key].append(row)
    return list(map(rows_by_key.__getitem__, keys))


def selected_columns(
    model: type[Model], selections: Collection[Selection | None], *extra: str
) -> tuple[str, ...]:
    """The columns of a model that the selected fields read, including its key and `extra`."""
    present_selections = [selection for selection in selections if selection is not None]
    if len(present_selections) < len(selections):
        return all_columns(model)
    memo, memo_key = (
        (present_selections[0].memo, (model, extra)) if len(present_selections) == 1 else ({}, None)
    )
    if memo_key not in memo:
        memo[memo_key] = _selected_columns(model, present_selections, extra)
    return memo[memo_key]  # type: ignore[no-any-return] # a memo holds anything


def _selected_columns(
    model: type[Model], selections: Iterable[Selection], extra: Iterable[str]
) -> tuple[str, ...]:
    names = {model._meta.pk_attr, *extra}
    for selection in selections:
        for name, selected_fields in selection.fields.items():
            for selected in selected_fields:
                names |= _columns_read_by(model, name, selected.field)
    return tuple(column for column in all_columns(model) if column in names)


def _columns_read_by(model: type[Model], name: str, field: GraphQLField) -> set[str]:
    if name.startswith("__"):
        return set()
    strawberry_field = field.extensions.get("strawberry-definition")
    if not isinstance(strawberry_field, StrawberryField):
        return set(all_columns(model))
    if getattr(strawberry_field.origin, "backing_model", model) is not model:
        return set()  # a field of another type behind the same interface
    return columns_read_by(model, strawberry_field)


def columns_read_by(model: type[Model], field: StrawberryField) -> set[str]:
    """The columns of a model that a field reads."""
    declared_columns = field.metadata.get("needs")
    if declared_columns is not None:
        return set(declared_columns)
    if field.base_resolver is None and field.python_name in model._meta.fields_db_projection:
        return {field.python_name}
    return set(all_columns(model))
