"""The engine: prepares operations, which executes nothing, then executes them or subscribes to
them.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Coroutine,
    Hashable,
    Mapping,
    Sequence,
)
from contextlib import AbstractContextManager
from time import perf_counter
from typing import Any, Protocol

from graphql import (
    ASTValidationRule,
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

from engine.documents.cost import CostFunction, extension_cost, operation_cost
from engine.documents.document import Document
from engine.documents.limits import Limits
from engine.documents.operation import Operation
from engine.documents.params import Params
from engine.documents.store import DocumentStore
from engine.documents.variables import coerce_variables
from engine.encoding import encode_json
from engine.errors import (
    FORBIDDEN,
    QUERY_TOO_COSTLY,
    RESPONSE_TOO_LARGE,
    TIMEOUT,
    RequestError,
    mask_error,
    request_error,
)
from engine.execution.awaitables import is_awaitable
from engine.execution.deferred import BatchLookup, no_batch
from engine.execution.executor import PlanExecutor, StepTracer
from engine.execution.plan import ExecutionPlan
from engine.execution.plan_cache import PlanCache
from engine.execution.planner import build_plan, directive_values, directive_variables

FormatError = Callable[[GraphQLError, Any], dict[str, Any]]
Authorize = Callable[[Operation, Any], Awaitable[None] | None]
Result = dict[str, Any]  # a response: `data`, `errors` if there are any, `extensions`


class Observer(Protocol):
    """Is told what an engine does, in the same task: it must be fast, and must not raise."""

    def executed(self, operation: Operation, context: Any, result: Result, seconds: float) -> None:
        """A query or a mutation was executed, with this response."""

    def refused(self, error: RequestError) -> None:
        """An operation was refused before its execution."""


class Tracer(StepTracer, Protocol):
    """Records what is done for an operation, in spans."""

    def operation(self, operation: Operation) -> AbstractContextManager[object]:
        """A span of the execution of an operation."""


class Engine:
    """Executes GraphQL operations over a schema.

    `format_error` formats an execution error for the response, given the error and the context; the
    default masks what is not a GraphQLError. `authorize` is called with each operation and its
    context before it is executed, priced or subscribed to: it raises `RequestError`, or returns an
    awaitable that does, to refuse the operation. `cost_of` returns a field's own cost, `batch_of`
    its batch function (execution/deferred.py). `rules` are validation rules in addition to those of
    the specification. `trusted_documents` are texts by id, which are never evicted; raises
    `ManifestError` when some are invalid. `observers` are told of all operations but
    subscriptions that began, and `tracer` records their execution.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        *,
        limits: Limits | None = None,
        format_error: FormatError = mask_error,
        cost_of: CostFunction = extension_cost,
        rules: Sequence[type[ASTValidationRule]] = (),
        trusted_documents: Mapping[str, str] | None = None,
        batch_of: BatchLookup = no_batch,
        observers: Sequence[Observer] = (),
        tracer: Tracer | None = None,
        authorize: Authorize = lambda operation, context: None,
    ) -> None:
        assert_valid_schema(schema)
        self.schema = schema
        self.limits = limits or Limits()
        self.plans = PlanCache()
        self._format_error, self._cost_of, self._batch_of = format_error, cost_of, batch_of
        self._documents = DocumentStore(schema, self.limits, rules, trusted_documents)
        self._mutations: set[asyncio.Task[Result]] = set()
        self._observers, self._tracer, self._authorize = observers, tracer, authorize

    # Preparation

    def prepare(
        self,
        params: Params,
        *,
        cost_limit: int | None = None,
        introspection: bool = True,
        trusted_only: bool = False,
    ) -> Operation:
        """Parse and validate the document, coerce the variables and compute the cost. Raises
        `RequestError`.

        Without `introspection`, `__schema` and `__type` are FORBIDDEN and errors don't suggest
        names of the schema. With `trusted_only`, every document that is not one of the trusted
        documents is DOCUMENT_NOT_TRUSTED.
        """
        try:
            return self._prepare(params, cost_limit, introspection, trusted_only)
        except RequestError as error:
            for observer in self._observers:
                observer.refused(error)
            raise

    def _prepare(
        self, params: Params, cost_limit: int | None, introspection: bool, trusted_only: bool
    ) -> Operation:
        document = self._documents.find(
            params, suggest_names=introspection, trusted_only=trusted_only
        )
        if document.uses_introspection and not introspection:
            raise request_error("Introspection is not allowed.", FORBIDDEN)
        definition = document.operation(params.operation_name)
        variables = coerce_variables(
            self.schema, document, definition, params.variables, introspection
        )
        limit = self.limits.cost if cost_limit is None else cost_limit
        operation = self._build_operation(
            document, definition, variables, limit, params.extensions.get("dryRun") is True
        )
        if operation.cost > operation.cost_limit and not operation.dry_run:
            raise _cost_limit_error(operation)
        return operation

    def _build_operation(
        self,
        document: Document,
        definition: OperationDefinitionNode,
        variables: VariableValues,
        limit: int,
        dry_run: bool,
    ) -> Operation:
        return Operation(
            kind=definition.operation.value,
            name=definition.name.value if definition.name else None,
            cost=operation_cost(self.schema, document, definition, variables, self._cost_of),
            cost_limit=limit,
            dry_run=dry_run,
            definition=definition,
            variables=variables,
            document=document,
        )

    # Queries and mutations

    async def execute(self, operation: Operation, context: Any) -> Result:
        """Execute a query or a mutation.

        A query that takes longer than `Limits.timeout` is cancelled, with the error TIMEOUT. A
        mutation always finishes, even when the caller is cancelled, because a transaction cancelled
        midway can leave its connection locked. Raises `RequestError` when the operation is refused.
        """
        await self._require_authorized(operation, context)
        if operation.dry_run:
            return {"data": None, "extensions": operation.extensions}
        if operation.kind == "subscription":
            raise request_error(
                "A subscription can't be executed like a query: send it over the websocket."
            )
        if operation.kind == "mutation":
            return await self._run_shielded(
                self._observe(operation, context, self._execute(operation, context))
            )
        execution = self._run_with_timeout(operation, context, self._execute(operation, context))
        return await self._observe(operation, context, execution)

    async def _require_authorized(self, operation: Operation, context: Any) -> None:
        try:
            if (pending := self._authorize(operation, context)) is not None:
                await pending
        except RequestError as error:
            for observer in self._observers:
                observer.refused(error)
            raise

    async def _observe(
        self, operation: Operation, context: Any, execution: Coroutine[Any, Any, Result]
    ) -> Result:
        if self._tracer:
            with self._tracer.operation(operation):
                return await self._observe_execution(operation, context, execution)
        return await self._observe_execution(operation, context, execution)

    async def _observe_execution(
        self, operation: Operation, context: Any, execution: Coroutine[Any, Any, Result]
    ) -> Result:
        started_at = perf_counter()
        result = await execution
        seconds = perf_counter() - started_at
        for observer in self._observers:
            observer.executed(operation, context, result, seconds)
        return result

    def encode(self, operation: Operation, result: Result, max_bytes: int | None = None) -> bytes:
        """The response as JSON. One that is larger than `max_bytes` (None for the engine's limit)
        is replaced with the error RESPONSE_TOO_LARGE. Raises TypeError or ValueError when JSON
        can't represent it.
        """
        body = encode_json(result)
        limit = self.limits.response_bytes if max_bytes is None else max_bytes
        if len(body) <= limit:
            return body
        return encode_json(_too_large(operation, len(body), limit))

    async def _execute(self, operation: Operation, context: Any, root: Any = None) -> Result:
        result = await self._execute_plan(operation, context, root)
        response: Result = {"data": result.data}
        if result.errors:
            response["errors"] = [self._format_error(error, context) for error in result.errors]
        response["extensions"] = operation.extensions
        return response

    async def _execute_plan(self, operation: Operation, context: Any, root: Any) -> ExecutionResult:
        key = self._plan_key(operation)
        try:
            plan = self.plans.get(key) or self._build_plan(operation)
        except GraphQLError as error:  # null for the `if` of a directive on a root field
            return ExecutionResult(None, [error])
        try:
            executor = PlanExecutor(plan, operation.variables, context, root, self._tracer)
            return await executor.execute(serial=operation.kind == "mutation")
        finally:
            self.plans.put(key, plan)

    def _plan_key(self, operation: Operation) -> Hashable:
        """The key of a plan: an operation has one plan for each combination of values that its
        directives can get.
        """
        document, name = operation.document, operation.name
        if name not in document.directive_variables:
            document.directive_variables[name] = directive_variables(
                operation.definition, document.fragment_details
            )
        return (
            document.id,
            name,
            *map(operation.variables.coerced.get, document.directive_variables[name]),
        )

    def _build_plan(self, operation: Operation) -> ExecutionPlan:
        document = operation.document
        variables = directive_values(
            operation.variables, document.directive_variables[operation.name]
        )
        core = self._core_executor(operation, variables)
        return build_plan(
            self.schema,
            operation.definition,
            document.fragment_details,
            variables,
            self._batch_of,
            core,
        )

    def _core_executor(
        self, operation: Operation, variables: VariableValues, context: Any = None, root: Any = None
    ) -> Executor[Any]:
        # Executor.build would select the operation and coerce the variables again.
        return Executor(
            self.schema,
            operation.document.fragments,
            operation.document.fragment_details,
            root,
            context,
            operation.definition,
            variables,
            default_field_resolver,
            default_type_resolver,
            default_field_resolver,
            is_awaitable=is_awaitable,
        )

    async def _run_shielded(self, execution: Coroutine[Any, Any, Result]) -> Result:
        task = asyncio.get_running_loop().create_task(execution)
        self._mutations.add(task)  # the loop holds only weak references to tasks
        task.add_done_callback(self._mutations.discard)
        return await asyncio.shield(task)

    async def _run_with_timeout(
        self, operation: Operation, context: Any, execution: Coroutine[Any, Any, Result]
    ) -> Result:
        try:
            async with asyncio.timeout(self.limits.timeout):
                return await execution
        except TimeoutError:
            message = f"The operation took longer than {self.limits.timeout:g} seconds."
            error = GraphQLError(message, extensions={"code": TIMEOUT})
            return {
                "data": None,
                "errors": [self._format_error(error, context)],
                "extensions": operation.extensions,
            }

    async def drain(self) -> None:
        """Wait for mutations whose callers have disconnected. Call this at shutdown, before the
        database is closed.
        """
        await asyncio.gather(*self._mutations, return_exceptions=True)

    # Subscriptions

    async def create_source_stream(self, operation: Operation, context: Any) -> Any:
        """The source stream of a subscription, as its resolver returned it. Raises `RequestError`
        when it can't start.
        """
        await self._require_authorized(operation, context)
        result = create_source_event_stream(
            self._core_executor(operation, operation.variables, context)
        )
        stream = await result if is_awaitable(result) else result
        if isinstance(stream, ExecutionResult):
            raise RequestError(
                [self._format_error(error, context) for error in stream.errors or ()]
            )
        return stream

    async def execute_event(self, operation: Operation, context: Any, event: Any) -> Result:
        """The response to one event of a subscription's source stream."""
        return await self._run_with_timeout(
            operation, context, self._execute(operation, context, event)
        )

    async def response_stream(
        self, operation: Operation, source: Any, context: Any, new_context: Callable[[], Any]
    ) -> AsyncGenerator[Result, None]:
        """The responses to all events of a source stream, each executed in a context of its own
        from `new_context`.

        `context` is the one in which the source stream was created. If the source raises, the last
        response has its error. Closing this generator closes the source.
        """
        try:
            async for event in source:
                context = new_context()
                yield await self.execute_event(operation, context, event)
        except Exception as error:
            yield self.source_error(operation, error, context)
        finally:
            if close := getattr(source, "aclose", None):
                await close()

    def source_error(self, operation: Operation, error: Exception, context: Any) -> Result:
        """The last response of a subscription whose source stream raised."""
        graphql_error = located_error(error, [operation.definition])
        return {
            "data": None,
            "errors": [self._format_error(graphql_error, context)],
            "extensions": operation.extensions,
        }


def _cost_limit_error(operation: Operation) -> RequestError:
    message = f"The operation costs {operation.cost}; the limit is {operation.cost_limit}."
    return request_error(message, QUERY_TOO_COSTLY, cost=operation.cost, limit=operation.cost_limit)


def _too_large(operation: Operation, size: int, limit: int) -> Result:
    message = f"The response has {size} bytes; the limit is {limit}. Request less at once."
    if operation.kind == "mutation":
        message = f"The mutation was executed, but its response is too large. {message}"
    extensions = {"code": RESPONSE_TOO_LARGE, "size": size, "limit": limit}
    return {
        "data": None,
        "errors": [{"message": message, "extensions": extensions}],
        "extensions": operation.extensions,
    }
