"""Columns: the values of one field for all objects of a level."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Sequence
from typing import Any

# One value for each object; an exception stands for a value that could not be resolved.
Column = Sequence[Any]


class PendingColumn:
    """A column that is being fetched for the whole level."""

    __slots__ = ("column",)

    def __init__(self, column: Awaitable[Column]) -> None:
        self.column = column


def collect(size: int, values: Iterator[Any]) -> list[Any]:
    """All values of a `map`, which goes on after its function raised. An exception takes the place
    of its value.
    """
    results: list[Any] = []
    while True:
        try:
            results.extend(values)
            if len(results) == size:
                return results
            results.append(StopIteration())  # a function that raises it ends the map early
        except Exception as error:
            results.append(error)


def batch_column(size: int, result: Any) -> Column:
    """The column that a batch returned for this many parents; when it has another size, the error
    for each parent.
    """
    try:
        values = result if isinstance(result, list) else list(result)
        if len(values) != size:
            raise ValueError(f"A batch returned {len(values)} values for {size} parents.")
    except Exception as error:
        return [error] * size
    return values
