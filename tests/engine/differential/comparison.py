"""Executes one operation by a plan and by graphql-core, and compares the responses.

Data must be equal, including the order of keys and the types of leaves. Errors are compared by
message, path, locations, extensions and cause, in any order.

When several errors propagate to the same nullable position, which of them is reported depends on
timing: graphql-core stops at the first it meets, cancels what still runs, and drops errors below a
position that is already null. So the expected errors come from a third execution, by graphql-core
without error propagation, which meets every possible error (`AllErrorsExecutor`). For each position
that an error sets to null, both responses must report exactly one of the errors that propagate to
it. They may report errors that occurred below it. All other errors must be reported exactly.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from datetime import date
from typing import Any

from graphql import GraphQLError, GraphQLSchema, is_non_null_type, located_error
from graphql.execution.executor import to_nodes

from engine import BatchLookup, Engine, Limits, Params
from engine.execution.deferred import no_batch
from tests.engine.differential.core_engine import CoreEngine, CoreExecutor

Path = tuple[Any, ...]
FormatError = Callable[[GraphQLError, Any], dict[str, Any]]
LIMITS = Limits(
    document_bytes=10**6,
    tokens=10**5,
    depth=100,
    nesting=100,
    aliases=10**5,
    root_fields=10**4,
    overlap_budget=10**7,
    cost=10**12,
)


class Observations:
    """What an execution met: whether null is allowed, by path, and all errors with their paths."""

    def __init__(self) -> None:
        self.non_null: dict[Path, bool] = {}
        self.errors: list[tuple[Path, GraphQLError]] = []


OBSERVATIONS: ContextVar[Observations] = ContextVar("OBSERVATIONS")


class AllErrorsExecutor(CoreExecutor):
    """Continues after each error, also in non-null positions."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.error_propagation = False

    def complete_value(
        self, return_type: Any, details: Any, info: Any, path: Any, *rest: Any
    ) -> Any:
        OBSERVATIONS.get().non_null.setdefault(tuple(path.as_list()), is_non_null_type(return_type))
        return super().complete_value(return_type, details, info, path, *rest)

    def handle_field_error(
        self, raw_error: Exception, return_type: Any, details: Any, path: Any
    ) -> None:
        observations, keys = OBSERVATIONS.get(), tuple(path.as_list())
        observations.non_null.setdefault(keys, is_non_null_type(return_type))
        error = located_error(raw_error, to_nodes(details), path.as_list())
        # Also when a parent is already null: another execution may be faster.
        observations.errors.append((keys, error))


class AllErrorsEngine(CoreEngine):
    executor_class = AllErrorsExecutor


def format_with_cause(error: GraphQLError, _context: Any) -> dict[str, Any]:
    """The formatted error, and the class of the exception that caused it."""
    cause: Any = error
    while isinstance(cause, GraphQLError) and cause.original_error:
        cause = cause.original_error
    return {**error.formatted, "cause": type(cause).__name__}


class Comparison:
    """The engines of one schema: by plans, by graphql-core, and by graphql-core with all errors."""

    def __init__(
        self,
        schema: GraphQLSchema,
        batch_of: BatchLookup = no_batch,
        format_error: FormatError = format_with_cause,
    ) -> None:
        self.schema, self.format_error = schema, format_error
        options: dict[str, Any] = {
            "limits": LIMITS,
            "batch_of": batch_of,
            "format_error": format_error,
        }
        self.engine = Engine(schema, **options)
        self.core_engine = CoreEngine(schema, **options)
        self.all_errors_engine = AllErrorsEngine(schema, **options)
        # Each document is parsed and validated only once.
        self.core_engine._documents = self.all_errors_engine._documents = self.engine._documents

    async def check(
        self,
        document: str,
        variables: Mapping[str, Any],
        new_context: Callable[[], Any],
        root: Any = None,
    ) -> dict[str, Any]:
        """The response of the plan. Raises AssertionError when graphql-core's differs."""
        try:
            return await self._check(Params(document, variables=dict(variables)), new_context, root)
        except Exception as error:
            error.add_note(f"{document}\nvariables: {variables}\ncontext: {new_context()}")
            raise

    async def _check(
        self, params: Params, new_context: Callable[[], Any], root: Any
    ) -> dict[str, Any]:
        # A plan's first execution builds rows by columns only.
        first = await run(self.engine, params, new_context(), root)
        contexts = [new_context() for _ in range(2)]
        plan_result = await run(self.engine, params, contexts[0], root)
        core_result = await run(self.core_engine, params, contexts[1], root)
        null_paths = await self._check_errors(params, new_context(), root, plan_result, core_result)
        assert are_identical(plan_result["data"], core_result["data"]), (
            f"data\n  by plan: {plan_result}\n  by core: {core_result}"
        )
        assert are_identical(plan_result["data"], first["data"]), (
            f"data\n  first: {first}\n  second: {plan_result}"
        )
        _check_calls(contexts[0], contexts[1], null_paths)
        return plan_result

    async def _check_errors(
        self,
        params: Params,
        context: Any,
        root: Any,
        plan_result: dict[str, Any],
        core_result: dict[str, Any],
    ) -> set[Path]:
        """The paths that an error set to null."""
        if not plan_result.get("errors") and not core_result.get("errors"):
            return set()
        observations = Observations()
        token = OBSERVATIONS.set(observations)
        try:
            response = await run(self.all_errors_engine, params, context, root)
        finally:
            OBSERVATIONS.reset(token)
        expected = ExpectedErrors(
            observations, response, lambda error: self.format_error(error, context)
        )
        expected.check(core_result, "graphql-core")
        expected.check(plan_result, "the plan")
        expected.check_order(plan_result)
        return expected.null_paths


async def run(engine: Engine, params: Params, context: Any, root: Any) -> dict[str, Any]:
    """The response, after everything that the execution started has finished."""
    before = asyncio.all_tasks()
    operation = engine.prepare(params)
    if operation.kind == "subscription":
        response = await engine.execute_event(operation, context, root)
    else:
        response = await engine.execute(operation, context)
    while running := [task for task in asyncio.all_tasks() - before if not task.done()]:
        await asyncio.gather(*running, return_exceptions=True)
    return with_text_dates(response)  # type: ignore[no-any-return] # a dict's is a dict


def with_text_dates(value: Any) -> Any:
    """The value with dates and times as text, as the JSON encoder writes them
    (test_encoding.py).
    """
    if isinstance(value, dict):
        return {key: with_text_dates(each) for key, each in value.items()}
    if isinstance(value, list):
        return [with_text_dates(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value


class ExpectedErrors:
    """The errors that a response must and may report, derived from all possible errors."""

    def __init__(
        self,
        observations: Observations,
        response: Any,
        format_error: Callable[[GraphQLError], dict[str, Any]],
    ) -> None:
        self.data = response["data"]
        # Each error as text, the path where it occurs and the path that it sets to null; () is the
        # whole of the data.
        self.possible = [
            (error_text(format_error(error)), path, null_path(path, observations.non_null))
            for path, error in observations.errors
        ]
        # Of the whole operation.
        self.possible += [(error_text(error), (), ()) for error in response.get("errors", ())]
        # An error that has a path of its own may occur in several places.
        self.occurrences = Counter(text for text, _, _ in self.possible)
        all_null_paths = {path for _, _, path in self.possible}
        self.null_paths = {
            path
            for path in all_null_paths
            if not any(path[:length] in all_null_paths for length in range(len(path)))
        }

    def check(self, response: dict[str, Any], executor: str) -> None:
        """Check a response's errors and its nulls."""
        reported_counts = Counter(error_text(error) for error in response.get("errors", ()))
        details = f"{executor} responds {response}\n  possible errors: {self.possible}"
        propagated_counts: dict[Path, int] = dict.fromkeys(self.null_paths, 0)
        for text, _, path in sorted(self.possible, key=lambda each: self.occurrences[each[0]]):
            if (
                path in self.null_paths
                and reported_counts[text] > 0
                and not propagated_counts[path]
            ):
                reported_counts[text] -= 1
                propagated_counts[path] += 1
        assert all(propagated_counts.values()), f"an error is missing\n  {details}"
        optional_counts = Counter(
            text for text, _, path in self.possible if path not in self.null_paths
        )
        assert not +reported_counts - optional_counts, (
            f"unexpected errors: {+reported_counts - optional_counts}\n  {details}"
        )
        for path in self.null_paths:
            assert value_at(response["data"], path) is None, f"not null at {path}\n  {details}"

    def check_order(self, response: dict[str, Any]) -> None:
        """Check that errors are sorted by the positions that they set to null, in response
        order.
        """
        paths = {
            text: path for text, _, path in self.possible if path and self.occurrences[text] == 1
        }
        texts = [error_text(error) for error in response.get("errors", ())]
        orders = [tuple(positions(self.data, paths[text])) for text in texts if text in paths]
        assert orders == sorted(orders), f"errors out of order: {response}"


def null_path(path: Path, non_null: Mapping[Path, bool]) -> Path:
    """The path that an error at this path sets to null."""
    while path and non_null[path]:
        path = path[:-1]
    return path


def value_at(data: Any, path: Path) -> Any:
    for key in path:
        if data is None:
            return None
        data = data[key]
    return data


def positions(data: Any, path: Path) -> Iterator[int]:
    """The path with each key replaced by its position in its object."""
    for key in path:
        yield key if isinstance(key, int) else list(data).index(key)
        data = data[key]


def error_text(error: dict[str, Any]) -> str:
    """An error as text to compare, without the number of parents of a batch, which depends on how
    they were gathered.
    """
    return re.sub(
        r"A batch returned \d+ values for \d+ parents",
        "A batch returned n values for m parents",
        repr(error),
    )


def are_identical(value: Any, other_value: Any) -> bool:
    """Whether two values are equal, including the order of keys and the types of leaves."""
    return repr(value) == repr(other_value)


def _check_calls(plan_result: Any, core_result: Any, null_paths: set[Path]) -> None:
    """Check that resolvers were called equally often, except below a null, where graphql-core stops
    early.
    """
    if not hasattr(plan_result, "calls"):
        return
    assert plan_result.effects == core_result.effects, (
        f"effects\n  by plan: {plan_result.effects}\n  by core: {core_result.effects}"
    )
    calls = [
        {
            path: _comparable(path, count)
            for path, count in context.calls.items()
            if _must_be_called(path, null_paths)
        }
        for context in (plan_result, core_result)
    ]
    assert calls[0] == calls[1], f"different calls: {set(calls[0].items()) ^ set(calls[1].items())}"


def _comparable(path: Path, count: int) -> int:
    """An attribute may be read again when a row turned out not to be plain (codegen.py); a resolver
    is called once.
    """
    return 1 if _is_attribute(path) else count


def _must_be_called(path: Path, null_paths: set[Path]) -> bool:
    """Whether no error prevents the call. Attributes are counted by their names, null paths have
    response keys.
    """
    if _is_attribute(path):
        return not null_paths
    return not any(path[:length] in null_paths for length in range(len(path)))


def _is_attribute(path: Path) -> bool:
    return str(path[-1]).startswith(".")
