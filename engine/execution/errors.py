"""Errors of an execution: located, propagated to a nullable position, and sorted in response order.

An error propagates through lists and levels to the nearest position that may be null, and null is
stored there. Further errors below a position that is already null are dropped, as in graphql-core;
what still runs there writes into rows that are no longer part of the response. In the end, errors
are sorted by the positions that they set to null, so a response doesn't depend on which resolver
was faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphql import GraphQLError, located_error

from engine.execution.completion import null_error
from engine.execution.level import Indices, Level
from engine.execution.plan import FieldPlan


class ErrorCollector:
    """The errors of one execution, and the positions that they set to null."""

    def __init__(self) -> None:
        self._errors: list[tuple[tuple[int, ...], GraphQLError]] = []
        self._null_positions: set[tuple[Any, ...]] = set()

    @property
    def data_is_null(self) -> bool:
        """Whether an error has propagated to the root."""
        return () in self._null_positions

    def sorted_errors(self) -> list[GraphQLError]:
        """The errors in response order."""
        return [error for _, error in sorted(self._errors, key=lambda each: each[0])]

    def add_column(self, level: Level, field: FieldPlan, values: Sequence[Any]) -> None:
        """Add an error for each row whose leaf is an exception, or a null that is not allowed."""
        for row, value in enumerate(values):
            if isinstance(value, Exception):
                self.add(level, row, field, (), value)
            elif value is None and not field.nullable[0]:
                self.add(level, row, field, (), null_error(field))

    def add(
        self, level: Level, row: int, field: FieldPlan, indices: Indices, error: Exception
    ) -> None:
        """Add an error of a field in a row, or of an item in the field's lists."""
        path = [*level.path_keys(row), field.key, *indices]
        self._propagate(level, row, field, indices, located_error(error, field.nodes, path))

    def _propagate(
        self, level: Level, row: int, field: FieldPlan, indices: Indices, error: GraphQLError
    ) -> None:
        for depth in range(len(indices), -1, -1):
            if field.nullable[depth]:
                self._set_null(level, row, field, indices[:depth], error)
                return
        if level.parent is None or level.field is None:
            self._add((), (*level.order(row), field.position, *indices), error)
            return
        self._propagate(level.parent, level.parent_row(row), level.field, level.indices(row), error)

    def _set_null(
        self, level: Level, row: int, field: FieldPlan, indices: Indices, error: GraphQLError
    ) -> None:
        position = (*level.path_keys(row), field.key, *indices)
        if self._add(position, (*level.order(row), field.position, *indices), error):
            container: Any = level.rows[row]
            for key in (field.key, *indices)[:-1]:
                container = container[key]
            container[position[-1]] = None

    def _add(self, position: tuple[Any, ...], order: tuple[int, ...], error: GraphQLError) -> bool:
        """Add an error unless its position, or one above it, is already null. Returns whether it
        was added.
        """
        if any(position[:length] in self._null_positions for length in range(len(position) + 1)):
            return False
        self._null_positions.add(position)
        self._errors.append((order, error))
        return True
