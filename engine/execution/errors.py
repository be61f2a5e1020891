"""Errors of a walk: located, climbing to where null may be, and told in response order.

An error climbs to the nearest position that may be null, through lists and levels by their places and owners, and null is
put there. Below a position that was nulled errors are dropped, as graphql-core does, and what still runs there writes into
rows that nobody will see. In the end errors are sorted by the nulled positions, in response order, so that an answer doesn't
depend on which step was quicker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphql import GraphQLError, located_error

from engine.execution.completion import missing
from engine.execution.level import Level, Place
from engine.execution.plan import Field


class Faults:
    """The errors of one walk, and the positions that they nulled."""

    def __init__(self) -> None:
        self._errors: list[tuple[tuple[int, ...], GraphQLError]] = []
        self._nulled: set[tuple[Any, ...]] = set()

    @property
    def fatal(self) -> bool:
        """Whether the whole answer is null."""
        return () in self._nulled

    def told(self) -> list[GraphQLError]:
        """The errors in response order."""
        return [error for _, error in sorted(self._errors, key=lambda each: each[0])]

    def fail_each(self, level: Level, field: Field, coerced: Sequence[Any]) -> None:
        """Fail the rows of a leaf's column that hold an exception, or a null where there may be none."""
        for number, value in enumerate(coerced):
            if isinstance(value, Exception):
                self.fail(level, number, field, (), value)
            elif value is None and not field.nullable[0]:
                self.fail(level, number, field, (), missing(field))

    def fail(self, level: Level, number: int, field: Field, place: Place, error: Exception) -> None:
        """Fail what a field holds for a row of a level, or what it holds at a place in its lists."""
        path = [*level.position(number), field.key, *place]
        self._climb(level, number, field, place, located_error(error, field.nodes, path))

    def _climb(self, level: Level, number: int, field: Field, place: Place, error: GraphQLError) -> None:
        for depth in range(len(place), -1, -1):
            if field.nullable[depth]:
                self._put_null(level, number, field, place[:depth], error)
                return
        if level.parent is None or level.field is None:
            self._keep((), (*level.order(number), field.position, *place), error)
            return
        self._climb(level.parent, level.owner(number), level.field, level.place(number), error)

    def _put_null(self, level: Level, number: int, field: Field, place: Place, error: GraphQLError) -> None:
        position = (*level.position(number), field.key, *place)
        if self._keep(position, (*level.order(number), field.position, *place), error):
            holder: Any = level.rows[number]
            for key in (field.key, *place)[:-1]:
                holder = holder[key]
            holder[position[-1]] = None

    def _keep(self, position: tuple[Any, ...], order: tuple[int, ...], error: GraphQLError) -> bool:
        if any(position[:length] in self._nulled for length in range(len(position) + 1)):
            return False
        self._nulled.add(position)
        self._errors.append((order, error))
        return True
