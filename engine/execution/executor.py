"""Execution of a plan, level by level.

graphql-core executes an operation field by field: for each field of each object it looks up the
definition, coerces the arguments, builds an info, calls the resolver and completes the value. This
executor handles a *level* at once: all objects of one runtime type below one field of one level
above, regardless of their number. A plain field takes one `map` over the level's objects, the
coercion of a leaf one look at a column, a batch one call. A list of a thousand objects takes only a
few more Python calls than a list of ten.

**A level** has its objects (`sources`), their responses (`rows`, dicts in response order) and their
places in the level above (`children`). `_execute_level` calls the resolvers for all objects
together, builds the rows, attaches them to the level above, and completes the fields that contain
objects, which executes the levels below. Plain fields are read while rows are built (codegen.py).
When one of their values is not plain, they become columns like all others (completion.py,
leaves.py).

**Awaitables** (coroutines, futures, deferred values, batches) become *steps*. A step is a coroutine
that awaits everything of one field of one level together. It then continues below this field
synchronously, until only further steps are left. Steps run concurrently; a single step is awaited
directly, without a task. The root fields of a mutation run one after another, each with everything
below it.

**Errors.** An exception that a resolver raises is its value. When it is completed, the error
collector (errors.py) locates it and stores null in the nearest nullable position. Rows are attached
before anything below them can fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from itertools import repeat
from typing import Any, NamedTuple, Protocol

from graphql import ExecutionResult, GraphQLError, GraphQLObjectType
from graphql.execution.executor import default_type_resolver, invalid_return_type_error
from graphql.execution.values import VariableValues

from engine.execution.columns import Column, PendingColumn, batch_column
from engine.execution.completion import (
    Pending,
    await_value,
    await_values,
    complete_leaf,
    complete_lists,
)
from engine.execution.context import ExecutionContext
from engine.execution.errors import ErrorCollector
from engine.execution.level import Children, Indices, Level, ListChildren
from engine.execution.objects import collect_children, plain_children
from engine.execution.plan import ExecutionPlan, FieldPlan, Row
from engine.execution.value_flags import AWAITABLE, ERROR, NULL, column_flags


class _ResolvedFields(NamedTuple):
    """The results of a level's fields: columns of leaves by response key, fields to complete, and
    columns with errors.
    """

    columns: dict[str, Iterable[Any]]
    pending_fields: list[tuple[FieldPlan, Column | PendingColumn]]
    columns_with_errors: list[tuple[FieldPlan, Sequence[Any]]]


class StepTracer(Protocol):
    """Records steps, in spans."""

    def step(self, field: str, count: int) -> AbstractContextManager[object]:
        """A span of what is awaited for a field of a level: so many awaitables. `field` is
        `Type.field`.
        """


class PlanExecutor(ExecutionContext):
    """Executes a plan once."""

    def __init__(
        self,
        plan: ExecutionPlan,
        variables: VariableValues,
        context: Any,
        root: Any,
        tracer: StepTracer | None = None,
    ) -> None:
        super().__init__(plan, variables, context, root)
        self._tracer = tracer
        self._steps: list[Any] = []
        self._errors = ErrorCollector()

    async def execute(self, serial: bool = False) -> ExecutionResult:
        """The data, and the errors in response order. With `serial`, the root fields are executed
        one after another.
        """
        level = Level(self.plan.root, Children([self.root], [0], [], [{}], ["data"]))
        if serial:
            await self._execute_serially(level)
        else:
            self._execute_level(level)
            await self._run_steps()
        return ExecutionResult(
            None if self._errors.data_is_null else level.rows[0],
            self._errors.sorted_errors() or None,
        )

    async def _execute_serially(self, level: Level) -> None:
        level.rows = [dict.fromkeys(field.key for field in level.selection.fields)]
        for field in level.selection.fields:
            self._complete(level, field, field.resolve(self, level))
            await self._run_steps()
            if self._errors.data_is_null:  # no further field is started
                return

    async def _run_steps(self) -> None:
        steps, self._steps = self._steps, []
        await self._run(steps)

    async def _run(self, steps: list[Any]) -> None:
        while len(steps) == 1:
            steps = await steps[0]
        if steps:
            async with asyncio.TaskGroup() as group:
                for step in steps:
                    group.create_task(self._run([step]))

    # Levels

    def _execute_level(self, level: Level) -> None:
        selection, results = level.selection, _ResolvedFields({}, [], [])
        for field in selection.resolved_fields:
            self._resolve(level, field, results)
        try:
            level.rows = selection.build_rows(level.sources, *results.columns.values())
        except Exception:  # a value is not plain, and columns can handle it
            level.rows = self._build_rows_by_columns(level, results)
        level.children.attach(level.rows)
        for field, column in results.columns_with_errors:
            self._errors.add_column(level, field, column)
        for field, values in results.pending_fields:
            self._complete(level, field, values)

    def _build_rows_by_columns(self, level: Level, results: _ResolvedFields) -> list[Row]:
        for field in level.selection.fields:
            if field.is_plain:
                self._resolve(level, field, results)
        keys = [field.key for field in level.selection.fields]
        columns = (results.columns.get(key) or repeat(None) for key in keys)
        return [
            dict(zip(keys, values, strict=True))
            for _, *values in zip(level.sources, *columns, strict=False)
        ]

    def _resolve(self, level: Level, field: FieldPlan, results: _ResolvedFields) -> None:
        """Resolve a field. The column of a leaf is completed if nothing has to be awaited; all else
        remains incomplete.
        """
        values, leaf = field.resolve(self, level), field.leaf
        if leaf is None:
            results.pending_fields.append((field, values))
        elif field.list_depth or isinstance(values, PendingColumn):
            results.columns[field.key] = repeat(None)
            results.pending_fields.append((field, values))
        elif leaf.is_coerced(values):
            results.columns[field.key] = values
        elif column_flags(values) & AWAITABLE:
            results.columns[field.key] = repeat(None)
            results.pending_fields.append((field, values))
        else:
            results.columns[field.key] = self._check_leaves(
                field, leaf.coerce(values), results.columns_with_errors
            )

    def _check_leaves(
        self,
        field: FieldPlan,
        values: list[Any],
        columns_with_errors: list[tuple[FieldPlan, Sequence[Any]]],
    ) -> list[Any]:
        """The coerced column with null in place of errors. A column with errors is added to
        `columns_with_errors`.
        """
        flags = column_flags(values)
        if flags & (ERROR if field.nullable[0] else ERROR | NULL):
            columns_with_errors.append((field, values))
        return (
            [None if isinstance(value, Exception) else value for value in values]
            if flags & ERROR
            else values
        )

    # Completion of values

    def _complete(self, level: Level, field: FieldPlan, values: Column | PendingColumn) -> None:
        """Complete the values of a field, or add a step that will."""
        if isinstance(values, PendingColumn):
            self._add_step(
                field,
                [values.column],
                lambda results: self._complete_batch(level, field, results[0]),
            )
        elif (children := plain_children(level, field, values)) is not None:
            if children.sources:
                self._execute_children(level, field, children, field.type)
            else:
                children.attach([])
        else:
            self._complete_values(level, field, values)

    def _complete_values(self, level: Level, field: FieldPlan, values: Column) -> None:
        if field.list_depth:
            pending: Pending = []
            values = complete_lists(values, field, field.list_depth, pending)
            if pending:
                awaitables = [container[index] for container, index in pending]
                self._add_step(
                    field,
                    awaitables,
                    lambda results: self._store_results(level, field, values, pending, results),
                )
                return
        elif column_flags(values) & AWAITABLE:
            self._add_step(field, values, lambda results: self._complete(level, field, results))
            return
        if field.leaf:
            self._complete_leaves(level, field, values)
        else:
            self._complete_objects(
                level, field, collect_children(level, field, values, self._errors)
            )

    def _complete_batch(self, level: Level, field: FieldPlan, result: Any) -> None:
        """Complete what a batch returned. If it failed, every row has the error."""
        size = len(level.sources)
        self._complete(
            level,
            field,
            [result] * size if isinstance(result, Exception) else batch_column(size, result),
        )

    def _store_results(
        self, level: Level, field: FieldPlan, values: Column, pending: Pending, results: list[Any]
    ) -> None:
        for (container, index), result in zip(pending, results, strict=True):
            container[index] = result
        self._complete(level, field, values)

    def _add_step(
        self, field: FieldPlan, awaitables: Sequence[Any], on_results: Callable[[list[Any]], None]
    ) -> None:
        """Add a step that awaits all these and then proceeds with the results."""
        self._steps.append(self._step(field, awaitables, on_results))

    async def _step(
        self, field: FieldPlan, awaitables: Sequence[Any], on_results: Callable[[list[Any]], None]
    ) -> list[Any]:
        if self._tracer:
            with self._tracer.step(f"{field.parent.name}.{field.name}", len(awaitables)):
                results = await _await_results(field, awaitables)
        else:
            results = await _await_results(field, awaitables)
        self._steps = []  # no other step runs before this list is returned
        on_results(results)
        steps, self._steps = self._steps, []
        return steps

    def _complete_leaves(self, level: Level, field: FieldPlan, values: Sequence[Any]) -> None:
        for row, value in enumerate(values):
            errors: list[tuple[Indices, Exception]] = []
            level.rows[row][field.key] = complete_leaf(field, value, (), errors)
            for indices, error in errors:
                self._errors.add(level, row, field, indices, error)

    # Objects and their runtime types

    def _complete_objects(self, level: Level, field: FieldPlan, children: Children) -> None:
        if not children.sources:
            return
        if not field.is_abstract:
            self._check_type(level, field, children, field.type)
            return
        names = self._resolve_types(level, field, children)
        if column_flags(names) & AWAITABLE:
            self._add_step(
                field, names, lambda results: self._group_by_type(level, field, children, results)
            )
        else:
            self._group_by_type(level, field, children, names)

    def _resolve_types(self, level: Level, field: FieldPlan, children: Children) -> list[Any]:
        """The name of each object's runtime type, or an awaitable, or an exception."""
        resolve_type = field.type.resolve_type or default_type_resolver

        def name(source: Any, row: int) -> Any:
            try:
                return resolve_type(source, self.info(level, row, field), field.type)
            except Exception as error:
                return error

        return [
            name(source, row)
            for source, row in zip(children.sources, children.parent_rows, strict=True)
        ]

    def _group_by_type(
        self, level: Level, field: FieldPlan, children: Children, names: list[Any]
    ) -> None:
        groups: dict[GraphQLObjectType, list[int]] = {}
        for number, name in enumerate(names):
            try:
                groups.setdefault(
                    self._runtime_type(level, field, children, number, name), []
                ).append(number)
            except Exception as error:
                self._errors.add(
                    level, children.parent_rows[number], field, children.indices(number), error
                )
        for object_type, numbers in groups.items():
            self._check_type(level, field, children.subset(numbers), object_type)

    def _runtime_type(
        self, level: Level, field: FieldPlan, children: Children, number: int, name: Any
    ) -> GraphQLObjectType:
        if isinstance(name, Exception):
            raise name
        info = self.info(level, children.parent_rows[number], field)
        return self.plan.core.ensure_valid_runtime_type(
            name, field.type, field.details, info, children.sources[number]
        )

    def _check_type(
        self, level: Level, field: FieldPlan, children: Children, object_type: GraphQLObjectType
    ) -> None:
        """Execute the level of these objects, after the type's `is_type_of` has accepted them."""
        if object_type.is_type_of is None or _is_accepted_by_class(object_type, children.sources):
            self._execute_children(level, field, children, object_type)
            return
        results = self._is_type_of(level, field, children, object_type)
        if column_flags(results) & AWAITABLE:
            self._add_step(
                field,
                results,
                lambda results: self._execute_accepted(
                    level, field, children, object_type, results
                ),
            )
        else:
            self._execute_accepted(level, field, children, object_type, results)

    def _is_type_of(
        self, level: Level, field: FieldPlan, children: Children, object_type: Any
    ) -> list[Any]:
        """Whether each object is of the type, or an awaitable, or an exception."""

        def check(source: Any, row: int) -> Any:
            try:
                return object_type.is_type_of(source, self.info(level, row, field))
            except Exception as error:
                return error

        return [
            check(source, row)
            for source, row in zip(children.sources, children.parent_rows, strict=True)
        ]

    def _execute_accepted(
        self,
        level: Level,
        field: FieldPlan,
        children: Children,
        object_type: GraphQLObjectType,
        results: list[Any],
    ) -> None:
        accepted_numbers = []
        for number, result in enumerate(results):
            if result and not isinstance(result, Exception):
                accepted_numbers.append(number)
            else:
                error = result if isinstance(result, Exception) else None
                error = error or invalid_return_type_error(
                    object_type, children.sources[number], field.details
                )
                self._errors.add(
                    level, children.parent_rows[number], field, children.indices(number), error
                )
        if accepted_numbers:
            self._execute_children(level, field, children.subset(accepted_numbers), object_type)

    def _execute_children(
        self,
        level: Level,
        field: FieldPlan,
        children: Children | ListChildren,
        object_type: GraphQLObjectType,
    ) -> None:
        try:
            selection = field.select(object_type)
        except GraphQLError as error:  # the `if` of a directive below is null
            # Creates the positions in which nulls are stored.
            children.attach([None] * len(children.sources))
            for number, row in enumerate(children.parent_rows):
                self._errors.add(level, row, field, children.indices(number), error)
            return
        self._execute_level(Level(selection, children, level, field))


async def _await_results(field: FieldPlan, awaitables: Sequence[Any]) -> list[Any]:
    if len(awaitables) == 1:
        return [await await_value(awaitables[0], field)]
    return await await_values(awaitables, field)


def _is_accepted_by_class(object_type: GraphQLObjectType, sources: Sequence[Any]) -> bool:
    """Whether `is_type_of` declares that it depends on the class only (`by_class`), and accepts
    each class.
    """
    if not getattr(object_type.is_type_of, "by_class", False):
        return False
    sources_by_class = {type(source): source for source in sources}
    return all(object_type.is_type_of(source, None) for source in sources_by_class.values())  # type: ignore[misc, arg-type]
