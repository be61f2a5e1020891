"""Decides which values are awaited."""

from __future__ import annotations

import asyncio
from types import CoroutineType
from typing import Any, TypeGuard

AWAITABLE_TYPES = (CoroutineType, asyncio.Future)


def is_awaitable(value: Any) -> TypeGuard[Any]:
    """Whether a resolver's value is awaited: only coroutines, futures and tasks are.

    graphql-core awaits everything that has `__await__`. Rows of some ORMs do, and would be fetched
    again one by one.
    """
    return isinstance(value, AWAITABLE_TYPES)
