"""What the values of a column are, by their classes: a column of a thousand values has one or two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphql import Undefined

from engine.execution.core_executor import WAITED_FOR
from engine.execution.deferred import Deferred

WAITS, ERROR, NULL = 1, 2, 4
MOST_CLASSES = 1_000  # kept: classes made on the fly must not live for ever


class _Traits(dict[type, int]):
    def __missing__(self, kind: type) -> int:
        if len(self) > MOST_CLASSES:
            self.clear()
        waits = issubclass(kind, (*WAITED_FOR, Deferred))
        null = kind is type(None) or kind is type(Undefined)
        self[kind] = WAITS * waits | ERROR * issubclass(kind, Exception) | NULL * null
        return self[kind]


TRAITS = _Traits()


def traits(values: Sequence[Any]) -> int:
    """Whether a column holds anything to wait for, errors or nulls; 0 for the usual one."""
    found = 0
    for kind in set(map(type, values)):
        found |= TRAITS[kind]
    return found


def waits(value: Any) -> int:
    """Whether a value is to be waited for."""
    return TRAITS[type(value)] & WAITS
