"""Levels of an answer: the objects of one runtime type that hang off one field of the level above."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import repeat
from typing import Any, NamedTuple

from graphql.pyutils import Path

from engine.execution.plan import Field, Row, Shape

Place = tuple[int, ...]


class Level:
    """`sources` are the objects and `rows` their answers; `owners` and `places` say where each hangs in the level above."""

    __slots__ = ("field", "found", "parent", "paths", "rows", "shape", "sources")

    def __init__(self, shape: Shape, found: Found | Lists, parent: Level | None = None, field: Field | None = None) -> None:
        self.shape, self.found, self.sources = shape, found, found.sources
        self.parent, self.field = parent, field
        self.rows: list[Row] = []
        self.paths: dict[int, Path] = {}

    def owner(self, number: int) -> int:
        """Which row of the level above it hangs off."""
        return self.found.owners[number]

    def place(self, number: int) -> Place:
        """Where in its owner's lists, if any."""
        return self.found.place(number)

    def position(self, number: int) -> tuple[Any, ...]:
        """Where the row stands in the answer, as keys and list positions."""
        path = self.path(number)
        return tuple(path.as_list()) if path else ()

    def path(self, number: int) -> Path | None:
        """Where the row stands in the answer; None for the root."""
        if self.parent is None or self.field is None:
            return None
        if number not in self.paths:
            path = Path(self.parent.path(self.owner(number)), self.field.key, self.parent.shape.kind.name)
            for position in self.place(number):
                path = path.add_key(position, None)
            self.paths[number] = path
        return self.paths[number]

    def order(self, number: int) -> tuple[int, ...]:
        """Where the row stands among all others, in response order."""
        if self.parent is None or self.field is None:
            return ()
        return (*self.parent.order(self.owner(number)), self.field.position, *self.place(number))


class Found(NamedTuple):
    """The objects below one field: how each hangs off the level above, and the container and key that await its row."""

    sources: Sequence[Any]
    owners: Sequence[int]
    places: Sequence[Any]
    holders: Sequence[Any]
    keys: Sequence[Any]

    def place(self, number: int) -> Place:
        return _place(self.places[number]) if self.places else ()

    def hang(self, rows: Sequence[Row | None]) -> None:
        """Put the objects' rows where they belong."""
        for holder, key, row in zip(self.holders, self.keys, rows, strict=True):
            holder[key] = row

    def part(self, numbers: Sequence[int]) -> Found:
        """Some of them."""
        if len(numbers) == len(self.sources):
            return self
        return Found(*([column[number] for number in numbers] if column else [] for column in self))


class Spread(NamedTuple):
    """Collects, out of lists, what becomes a `Found`."""

    sources: list[Any]
    owners: list[int]
    places: list[Any]
    holders: list[Any]
    keys: list[Any]

    def add(self, source: Any, owner: int, place: Place, holder: Any, key: Any) -> None:
        for column, value in zip(self, (source, owner, place, holder, key), strict=True):
            column.append(value)

    def add_list(self, sources: Sequence[Any], owner: int, inner: list[Any]) -> None:
        """A list without nulls and failures, whose rows go into `inner`."""
        size = len(sources)
        self.sources.extend(sources)
        self.owners.extend(repeat(owner, size))
        self.places.extend(range(size))
        self.holders.extend(repeat(inner, size))
        self.keys.extend(range(size))


class Lists:
    """The objects of lists without nulls and failures, one list for each row of the level above: as `Found`, but who hangs
    where is worked out only when something fails."""

    def __init__(self, sizes: Sequence[int], sources: Sequence[Any], holders: Sequence[Row], key: str) -> None:
        self.sources = sources
        self._sizes, self._holders, self._key = sizes, holders, key

    @cached_property
    def owners(self) -> Sequence[int]:
        return [owner for owner, size in enumerate(self._sizes) for _ in range(size)]

    @cached_property
    def _places(self) -> Sequence[int]:
        return [place for size in self._sizes for place in range(size)]

    def place(self, number: int) -> Place:
        return (self._places[number],)

    def hang(self, rows: Sequence[Row | None]) -> None:
        """Put the objects' rows where they belong."""
        key, start = self._key, 0
        for holder, size in zip(self._holders, self._sizes, strict=True):
            end = start + size
            holder[key] = rows[start:end]
            start = end


def _place(place: Any) -> Place:
    return (place,) if isinstance(place, int) else place
