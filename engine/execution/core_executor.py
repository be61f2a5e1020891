"""graphql-core's executor, as this engine uses it: for what no plan can be made of, and to compare plans with."""

from __future__ import annotations

import asyncio
from types import CoroutineType
from typing import Any, TypeGuard

from graphql import GraphQLResolveInfo
from graphql.execution import Executor
from graphql.pyutils import Path

from engine.execution.deferred import Deferred

WAITED_FOR = (CoroutineType, asyncio.Future)


def awaitable(value: Any) -> TypeGuard[Any]:
    """Whether the executor should await a resolver's value: coroutines, futures and tasks only.

    graphql-core awaits whatever has `__await__`. Rows of some ORMs have it, and would be fetched again one by one.
    """
    return isinstance(value, WAITED_FOR)


class Core(Executor[None]):
    """Fetches Deferred values wherever a resolver may return one."""

    def complete_value(
        self, return_type: Any, field_details_list: Any, info: GraphQLResolveInfo[Any], path: Path, result: Any, *rest: Any
    ) -> Any:
        if isinstance(result, Deferred):
            return self._fetched(result, return_type, field_details_list, info, path, *rest)
        return super().complete_value(return_type, field_details_list, info, path, result, *rest)

    async def _fetched(
        self, deferred: Deferred, return_type: Any, details: Any, info: GraphQLResolveInfo[Any], path: Path, *rest: Any
    ) -> Any:
        value = await deferred.fetch(None)
        completed = super().complete_value(return_type, details, info, path, value, *rest)
        return await completed if awaitable(completed) else completed
