"""An engine that executes operations by graphql-core instead of plans, to compare the two."""

from __future__ import annotations

from typing import Any

from graphql import (
    ExecutionResult,
    GraphQLResolveInfo,
    default_field_resolver,
    default_type_resolver,
)
from graphql.execution import Executor
from graphql.pyutils import Path

from engine import Deferred, Engine, Operation
from engine.execution.awaitables import is_awaitable


class CoreExecutor(Executor[None]):
    """graphql-core's executor, which also fetches the `Deferred` values that resolvers return."""

    def complete_value(
        self,
        return_type: Any,
        field_details_list: Any,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        *rest: Any,
    ) -> Any:
        if isinstance(result, Deferred):
            return self._complete_deferred(
                result, return_type, field_details_list, info, path, *rest
            )
        return super().complete_value(return_type, field_details_list, info, path, result, *rest)

    async def _complete_deferred(
        self,
        deferred: Deferred,
        return_type: Any,
        details: Any,
        info: GraphQLResolveInfo[Any],
        path: Path,
        *rest: Any,
    ) -> Any:
        value = await deferred.fetch(None)
        completed_value = super().complete_value(return_type, details, info, path, value, *rest)
        return await completed_value if is_awaitable(completed_value) else completed_value


class CoreEngine(Engine):
    """An engine without plans. Batches are not called: a field's own resolver has to gather the
    parents.
    """

    executor_class: type[Executor[Any]] = CoreExecutor

    async def _execute_plan(self, operation: Operation, context: Any, root: Any) -> ExecutionResult:
        executor = self.executor_class(
            self.schema,
            operation.document.fragments,
            operation.document.fragment_details,
            root,
            context,
            operation.definition,
            operation.variables,
            default_field_resolver,
            default_type_resolver,
            default_field_resolver,
            is_awaitable=is_awaitable,
        )
        pending: Any = executor.execute_operation(operation.kind == "mutation")
        result: ExecutionResult = await pending if is_awaitable(pending) else pending
        return result
