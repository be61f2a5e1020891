"""Operations: prepared (and refused) without executing anything, then executed, or followed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Hashable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

from graphql import (
    ASTValidationRule,
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    assert_valid_schema,
    create_source_event_stream,
    default_field_resolver,
    default_type_resolver,
    located_error,
)
from graphql.execution import Executor
from graphql.execution.values import VariableValues

from engine.documents.cost import CostOf, counted, extension_cost
from engine.documents.limits import FORBIDDEN, QUERY_TOO_COSTLY, TIMEOUT, Limits, Params, Rejected, refuse
from engine.documents.store import Document, Library
from engine.documents.variables import coerced
from engine.errors import masked
from engine.execution.core_executor import Core, awaitable
from engine.execution.deferred import BatchOf, no_batch
from engine.execution.executor import Walk
from engine.execution.plan import Plan, switched, switches
from engine.execution.plan_cache import Plans

Present = Callable[[GraphQLError, Any], dict[str, Any]]
Result = dict[str, Any]


@dataclass(slots=True)  # not frozen: that is 1 µs more for each request
class Operation:
    """A valid operation with its variables, within the limits, ready to be executed."""

    kind: Literal["query", "mutation", "subscription"]
    name: str | None
    cost: int
    cost_limit: int
    document: DocumentNode
    dry_run: bool  # only the cost is asked for
    definition: OperationDefinitionNode
    variables: VariableValues
    source: Document

    @property
    def extensions(self) -> dict[str, Any]:
        return {"cost": {"requested": self.cost, "limit": self.cost_limit}}


class Engine:
    """GraphQL operations over a schema.

    `present` formats an execution error for the caller and gets the context as well; the default masks what isn't a
    GraphQLError. `cost_of` says what a field costs by itself. `rules` are validated besides the specification's.
    `trusted` are texts of documents by their ids, kept for ever (persisted.py); raises `Unusable` for bad ones.
    `batch_of` finds a field's batch function (deferred.py).

    Operations are executed by plans (walk.py). They go to graphql-core's `executor` where it is one of the caller's own,
    which may do anything, or where they are not to be `compiled`; `fallbacks` counts them by reason.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        *,
        limits: Limits | None = None,
        present: Present = masked,
        cost_of: CostOf = extension_cost,
        rules: Sequence[type[ASTValidationRule]] = (),
        trusted: Mapping[str, str] | None = None,
        batch_of: BatchOf = no_batch,
        compiled: bool = True,
        executor: type[Executor[Any]] = Core,
    ) -> None:
        assert_valid_schema(schema)
        self.schema = schema
        self.limits = limits or Limits()
        self._present, self._cost_of, self._executor_class = present, cost_of, executor
        self._batch_of = batch_of
        self._unfit = "not compiled" if not compiled else "an executor of its own" if executor is not Core else None
        self.fallbacks: Counter[str] = Counter()
        self.plans = Plans()
        self._library = Library(schema, self.limits, rules, trusted)
        self._mutations: set[asyncio.Task[Result]] = set()

    def prepare(
        self, params: Params, *, cost_limit: int | None = None, introspection: bool = True, trusted_only: bool = False
    ) -> Operation:
        """Parse, validate, coerce the variables and count the cost. Raises `Rejected`.

        Without `introspection`, `__schema` and `__type` are FORBIDDEN and errors don't suggest names of the schema.
        With `trusted_only`, any document but the `trusted` ones is DOCUMENT_NOT_TRUSTED.
        """
        document = self._library.find(params, suggest=introspection, trusted_only=trusted_only)
        if document.introspects and not introspection:
            raise refuse("Introspection is not allowed.", FORBIDDEN)
        definition = document.operation(params.operation_name)
        variables = coerced(self.schema, document, definition, params.variables, introspection)
        limit = self.limits.cost if cost_limit is None else cost_limit
        operation = self._operation(document, definition, variables, limit, params.extensions.get("dryRun") is True)
        if operation.cost > operation.cost_limit and not operation.dry_run:
            raise _unaffordable(operation)
        return operation

    def _operation(
        self, source: Document, definition: OperationDefinitionNode, variables: VariableValues, limit: int, dry_run: bool
    ) -> Operation:
        return Operation(
            kind=definition.operation.value,
            name=definition.name.value if definition.name else None,
            cost=counted(self.schema, source, definition, variables, self._cost_of),
            cost_limit=limit,
            document=source.node,
            dry_run=dry_run,
            definition=definition,
            variables=variables,
            source=source,
        )

    async def execute(self, operation: Operation, context: Any) -> Result:
        """Execute a query or a mutation: `data`, `errors` if there are any, and the cost in `extensions`.

        A query that takes longer than `Limits.seconds` is cancelled and answers TIMEOUT. A mutation always finishes, even
        when the caller is cancelled: a transaction cancelled midway can leave its connection locked.
        """
        if operation.dry_run:
            return {"data": None, "extensions": operation.extensions}
        if operation.kind == "subscription":
            raise refuse("A subscription can't be executed like a query: follow it over the websocket.")
        if operation.kind == "mutation":
            return await self._finish(self._run(operation, context))
        return await self._within_time(operation, self._run(operation, context))

    async def _run(self, operation: Operation, context: Any) -> Result:
        return self._answer(operation, context, await self._executed(operation, context))

    async def _executed(self, operation: Operation, context: Any, root: Any = None) -> ExecutionResult:
        if self._unfit:
            self.fallbacks[self._unfit] += 1
            executor = self._executor(operation, operation.variables, context, root)
            pending: Any = executor.execute_operation(operation.kind == "mutation")
            result: ExecutionResult = await pending if awaitable(pending) else pending
            return result
        key = self._plan_key(operation)
        try:
            plan = self.plans.get(key) or self._planned(operation)
        except GraphQLError as error:  # a directive of a root field is given null
            return ExecutionResult(None, [error])
        try:
            return await Walk(plan, operation.variables, context, root).run(serially=operation.kind == "mutation")
        finally:
            self.plans.keep(key, plan)

    def _plan_key(self, operation: Operation) -> Hashable:
        """A document's operation has a plan for each way in which its directives may turn out."""
        source, name = operation.source, operation.name
        if name not in source.switches:
            source.switches[name] = switches(operation.definition, source.details)
        return (source.id, name, *map(operation.variables.coerced.get, source.switches[name]))

    def _planned(self, operation: Operation) -> Plan:
        source, name = operation.source, operation.name
        variables = switched(operation.variables, source.switches[name])
        core = self._executor(operation, variables)
        return Plan(self.schema, operation.definition, source.details, variables, self._batch_of, core)

    def _executor(
        self, operation: Operation, variables: VariableValues, context: Any = None, root: Any = None
    ) -> Executor[Any]:
        # Executor.build would choose the operation and coerce the variables again.
        return self._executor_class(
            self.schema,
            operation.source.fragments,
            operation.source.details,
            root,
            context,
            operation.definition,
            variables,
            default_field_resolver,
            default_type_resolver,
            default_field_resolver,
            is_awaitable=awaitable,
        )

    def _answer(self, operation: Operation, context: Any, result: ExecutionResult) -> Result:
        answer: Result = {"data": result.data}
        if result.errors:
            answer["errors"] = [self._present(error, context) for error in result.errors]
        answer["extensions"] = operation.extensions
        return answer

    async def _finish(self, work: Coroutine[Any, Any, Result]) -> Result:
        task = asyncio.get_running_loop().create_task(work)
        self._mutations.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._mutations.discard)
        return await asyncio.shield(task)

    async def _within_time(self, operation: Operation, work: Coroutine[Any, Any, Result]) -> Result:
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await work
        except TimeoutError:
            message = f"The operation took longer than {self.limits.seconds:g} seconds."
            error = {"message": message, "extensions": {"code": TIMEOUT}}
            return {"data": None, "errors": [error], "extensions": operation.extensions}

    async def drain(self) -> None:
        """Wait for the mutations whose callers are gone. Call it at shutdown, before the database closes."""
        await asyncio.gather(*self._mutations, return_exceptions=True)

    async def subscribe(self, operation: Operation, fresh: Callable[[], Any]) -> AsyncGenerator[Result, None]:
        """Follow a subscription: one result per event, each executed in a context of its own from `fresh()`.

        Raises `Rejected` (from the first step) when the stream can't start. If the source raises midway, the last result
        holds its error. Closing this generator closes the source.
        """
        if operation.dry_run:
            yield {"data": None, "extensions": operation.extensions}
            return
        context = fresh()
        events = await self.source(operation, context)
        async with aclosing(self.results(operation, events, context, fresh)) as results:
            async for result in results:
                yield result

    async def results(
        self, operation: Operation, events: Any, context: Any, fresh: Callable[[], Any]
    ) -> AsyncGenerator[Result, None]:
        """The results of the source that was made in this context, as `subscribe`. Closing this generator closes the source."""
        try:
            async for event in events:
                context = fresh()
                yield await self.event(operation, context, event)
        except Exception as error:
            yield self.broken(operation, error, context)
        finally:
            if close := getattr(events, "aclose", None):
                await close()

    async def source(self, operation: Operation, context: Any) -> Any:
        """A subscription's source stream, as its resolver returned it. Raises `Rejected` when it can't start."""
        pending = create_source_event_stream(self._executor(operation, operation.variables, context))
        stream = await pending if awaitable(pending) else pending
        if isinstance(stream, ExecutionResult):
            raise Rejected([self._present(error, context) for error in stream.errors or ()])
        return stream

    async def event(self, operation: Operation, context: Any, event: Any) -> Result:
        """The result of one event of a subscription's source."""
        return await self._within_time(operation, self._told(operation, context, event))

    async def _told(self, operation: Operation, context: Any, event: Any) -> Result:
        return self._answer(operation, context, await self._executed(operation, context, event))

    def broken(self, operation: Operation, error: Exception, context: Any) -> Result:
        """The last result of a subscription whose source raised."""
        located = located_error(error, [operation.definition])
        return {"data": None, "errors": [self._present(located, context)], "extensions": operation.extensions}


def _unaffordable(operation: Operation) -> Rejected:
    message = f"The operation costs {operation.cost}; the limit is {operation.cost_limit}."
    return refuse(message, QUERY_TOO_COSTLY, cost=operation.cost, limit=operation.cost_limit)
