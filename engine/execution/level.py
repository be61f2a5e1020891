"""Levels of a response: the objects of one runtime type below one field of the level above."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import repeat
from typing import Any, NamedTuple

from graphql.pyutils import Path

from engine.execution.plan import FieldPlan, Row, SelectionPlan

# Of an item in a list, or in lists of lists; empty when the field is no list.
Indices = tuple[int, ...]


class Level:
    """`sources` are the objects, `rows` their responses, in the same order. `children` knows their
    place in the level above, `parent`, where they are below `field`. The root level has no
    parent.
    """

    __slots__ = ("children", "field", "parent", "paths", "rows", "selection", "sources")

    def __init__(
        self,
        selection: SelectionPlan,
        children: Children | ListChildren,
        parent: Level | None = None,
        field: FieldPlan | None = None,
    ) -> None:
        self.selection, self.children, self.sources = selection, children, children.sources
        self.parent, self.field = parent, field
        self.rows: list[Row] = []
        self.paths: dict[int, Path] = {}

    def parent_row(self, row: int) -> int:
        """The number of the row in the level above that contains a row."""
        return self.children.parent_rows[row]

    def indices(self, row: int) -> Indices:
        """The position of a row in its parent's lists."""
        return self.children.indices(row)

    def path(self, row: int) -> Path | None:
        """The path of a row in the response; None for the root."""
        if self.parent is None or self.field is None:
            return None
        if row not in self.paths:
            path = Path(
                self.parent.path(self.parent_row(row)),
                self.field.key,
                self.parent.selection.object_type.name,
            )
            for index in self.indices(row):
                path = path.add_key(index, None)
            self.paths[row] = path
        return self.paths[row]

    def path_keys(self, row: int) -> tuple[Any, ...]:
        """The path of a row as response keys and list indices."""
        path = self.path(row)
        return tuple(path.as_list()) if path else ()

    def order(self, row: int) -> tuple[int, ...]:
        """A sort key of a row: its position in the response."""
        if self.parent is None or self.field is None:
            return ()
        return (*self.parent.order(self.parent_row(row)), self.field.position, *self.indices(row))


class Children(NamedTuple):
    """The objects below one field, with the row of the level above that each belongs to, and the
    container (a row or a list) and key under which its own row is stored.
    """

    sources: Sequence[Any]
    parent_rows: Sequence[int]
    list_indices: Sequence[Any]  # an index, or Indices; empty when the field is no list
    containers: Sequence[Any]
    keys: Sequence[Any]

    def indices(self, number: int) -> Indices:
        """The position of an object in its parent's lists."""
        if not self.list_indices:
            return ()
        indices = self.list_indices[number]
        return (indices,) if isinstance(indices, int) else indices

    def attach(self, rows: Sequence[Row | None]) -> None:
        """Store the objects' rows in their containers."""
        for container, key, row in zip(self.containers, self.keys, rows, strict=True):
            container[key] = row

    def subset(self, numbers: Sequence[int]) -> Children:
        """The objects with these row numbers."""
        if len(numbers) == len(self.sources):
            return self
        return Children(
            *([column[number] for number in numbers] if column else [] for column in self)
        )


class ChildrenBuilder(NamedTuple):
    """Collects `Children` from lists."""

    sources: list[Any]
    parent_rows: list[int]
    list_indices: list[Any]
    containers: list[Any]
    keys: list[Any]

    def add(self, source: Any, parent_row: int, indices: Indices, container: Any, key: Any) -> None:
        """Add one object."""
        for column, value in zip(self, (source, parent_row, indices, container, key), strict=True):
            column.append(value)

    def add_list(self, sources: Sequence[Any], parent_row: int, rows: list[Any]) -> None:
        """Add a list without nulls and errors. Its rows will be stored in `rows`."""
        size = len(sources)
        self.sources.extend(sources)
        self.parent_rows.extend(repeat(parent_row, size))
        self.list_indices.extend(range(size))
        self.containers.extend(repeat(rows, size))
        self.keys.extend(range(size))


class ListChildren:
    """The objects in lists without nulls and errors, one list for each row of the level above.

    Like `Children`, but the place of each object is computed only when an error needs it.
    """

    def __init__(
        self, sizes: Sequence[int], sources: Sequence[Any], containers: Sequence[Row], key: str
    ) -> None:
        self.sources = sources
        self._sizes, self._containers, self._key = sizes, containers, key

    @cached_property
    def parent_rows(self) -> Sequence[int]:
        return [parent_row for parent_row, size in enumerate(self._sizes) for _ in range(size)]

    @cached_property
    def _list_indices(self) -> Sequence[int]:
        return [index for size in self._sizes for index in range(size)]

    def indices(self, number: int) -> Indices:
        """The index of an object in its parent's list."""
        return (self._list_indices[number],)

    def attach(self, rows: Sequence[Row | None]) -> None:
        """Store the objects' rows in lists."""
        key, start = self._key, 0
        for container, size in zip(self._containers, self._sizes, strict=True):
            end = start + size
            container[key] = rows[start:end]
            start = end
