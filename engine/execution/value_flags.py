"""Flags of the values in a column, by their classes: a column of a thousand values has one or two
classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphql import Undefined

from engine.execution.awaitables import AWAITABLE_TYPES
from engine.execution.deferred import Deferred

AWAITABLE, ERROR, NULL = 1, 2, 4
MAX_CLASSES = 1_000  # in a cache: classes created at run time must not stay in memory for ever


class _FlagsByClass(dict[type, int]):
    def __missing__(self, class_: type) -> int:
        if len(self) > MAX_CLASSES:
            self.clear()
        is_awaitable = issubclass(class_, (*AWAITABLE_TYPES, Deferred))
        is_null = class_ is type(None) or class_ is type(Undefined)
        self[class_] = (
            AWAITABLE * is_awaitable | ERROR * issubclass(class_, Exception) | NULL * is_null
        )
        return self[class_]


FLAGS_BY_CLASS = _FlagsByClass()


def column_flags(values: Sequence[Any]) -> int:
    """Whether a column contains anything to await, errors or nulls; 0 in the usual case."""
    flags = 0
    for class_ in set(map(type, values)):
        flags |= FLAGS_BY_CLASS[class_]
    return flags


def must_await(value: Any) -> int:
    """Whether a value has to be awaited or fetched (truthy)."""
    return FLAGS_BY_CLASS[type(value)] & AWAITABLE
