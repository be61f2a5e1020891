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
from itertools import repeat
from typing import Any, NamedTuple

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
from engine.execution.value_flags import AWAITABLE, ERROR, NULL, flags_of


class _ResolvedFields(NamedTuple):
    """The results of a level's fields: columns of leaves by response key, fields to complete, and
    columns with errors.
    """

    columns: dict[str, Iterable[Any]]
    incomplete: list[tuple[FieldPlan, Column | PendingColumn]]
    with_errors: list[tuple[FieldPlan, Sequence[Any]]]


class PlanExecutor(ExecutionContext):
    """Executes a plan once."""

    def __init__(
        self, plan: ExecutionPlan, variables: VariableValues, context: Any, root: Any
    ) -> None:
        super().__init__(plan, variables, context, root)
        self._steps: list[Any] = []
        self._errors = ErrorCollector()

    async def execute(self, serially: bool = False) -> ExecutionResult:
        """The data, and the errors in response order. `serially`: the root fields one after
        another.
        """
        level = Level(self.plan.root, Children([self.root], [0], [], [{}], ["data"]))
        if serially:
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
        selection, resolved = level.selection, _ResolvedFields({}, [], [])
        for field in selection.resolved_fields:
            self._resolve(level, field, resolved)
        try:
            level.rows = selection.build_rows(level.sources, *resolved.columns.values())
        except Exception:  # a value is not plain, and columns can handle it
            level.rows = self._build_rows_by_columns(level, resolved)
        level.children.attach(level.rows)
        for field, column in resolved.with_errors:
            self._errors.add_column(level, field, column)
        for field, values in resolved.incomplete:
            self._complete(level, field, values)

    def _build_rows_by_columns(self, level: Level, resolved: _ResolvedFields) -> list[Row]:
        for field in level.selection.fields:
            if field.is_plain:
                self._resolve(level, field, resolved)
        keys = [field.key for field in level.selection.fields]
        columns = (resolved.columns.get(key) or repeat(None) for key in keys)
        return [
            dict(zip(keys, values, strict=True))
            for _, *values in zip(level.sources, *columns, strict=False)
        ]

    def _resolve(self, level: Level, field: FieldPlan, resolved: _ResolvedFields) -> None:
        """Resolve a field. The column of a leaf is completed if nothing has to be awaited; all else
        remains incomplete.
        """
        values, leaf = field.resolve(self, level), field.leaf
        if leaf is None:
            resolved.incomplete.append((field, values))
        elif field.list_depth or isinstance(values, PendingColumn):
            resolved.columns[field.key] = repeat(None)
            resolved.incomplete.append((field, values))
        elif leaf.is_coerced(values):
            resolved.columns[field.key] = values
        elif flags_of(values) & AWAITABLE:
            resolved.columns[field.key] = repeat(None)
            resolved.incomplete.append((field, values))
        else:
            resolved.columns[field.key] = self._check_leaves(
                field, leaf.coerce(values), resolved.with_errors
            )

    def _check_leaves(
        self,
        field: FieldPlan,
        values: list[Any],
        with_errors: list[tuple[FieldPlan, Sequence[Any]]],
    ) -> list[Any]:
        """The coerced column with null in place of errors. A column with errors is added to
        `with_errors`.
        """
        flags = flags_of(values)
        if flags & (ERROR if field.nullable[0] else ERROR | NULL):
            with_errors.append((field, values))
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
            self._complete_any(level, field, values)

    def _complete_any(self, level: Level, field: FieldPlan, values: Column) -> None:
        if field.list_depth:
            pending: Pending = []
            values = complete_lists(values, field, field.list_depth, pending)
            if pending:
                awaitables = [container[index] for container, index in pending]
                self._add_step(
                    field,
                    awaitables,
                    lambda results: self._fill_in(level, field, values, pending, results),
                )
                return
        elif flags_of(values) & AWAITABLE:
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

    def _fill_in(
        self, level: Level, field: FieldPlan, values: Column, pending: Pending, results: list[Any]
    ) -> None:
        for (container, index), result in zip(pending, results, strict=True):
            container[index] = result
        self._complete(level, field, values)

    def _add_step(
        self, field: FieldPlan, awaitables: Sequence[Any], proceed: Callable[[list[Any]], None]
    ) -> None:
        """Add a step that awaits all these and then proceeds with the results."""
        self._steps.append(self._step(field, awaitables, proceed))

    async def _step(
        self, field: FieldPlan, awaitables: Sequence[Any], proceed: Callable[[list[Any]], None]
    ) -> list[Any]:
        single = len(awaitables) == 1
        results = (
            [await await_value(awaitables[0], field)]
            if single
            else await await_values(awaitables, field)
        )
        self._steps = []  # no other step runs before this list is returned
        proceed(results)
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
        if flags_of(names) & AWAITABLE:
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
        answers = self._is_type_of(level, field, children, object_type)
        if flags_of(answers) & AWAITABLE:
            self._add_step(
                field,
                answers,
                lambda results: self._execute_accepted(
                    level, field, children, object_type, results
                ),
            )
        else:
            self._execute_accepted(level, field, children, object_type, answers)

    def _is_type_of(
        self, level: Level, field: FieldPlan, children: Children, object_type: Any
    ) -> list[Any]:
        """Whether each object is of the type, or an awaitable, or an exception."""

        def answer(source: Any, row: int) -> Any:
            try:
                return object_type.is_type_of(source, self.info(level, row, field))
            except Exception as error:
                return error

        return [
            answer(source, row)
            for source, row in zip(children.sources, children.parent_rows, strict=True)
        ]

    def _execute_accepted(
        self,
        level: Level,
        field: FieldPlan,
        children: Children,
        object_type: GraphQLObjectType,
        answers: list[Any],
    ) -> None:
        accepted = []
        for number, answer in enumerate(answers):
            if answer and not isinstance(answer, Exception):
                accepted.append(number)
            else:
                error = answer if isinstance(answer, Exception) else None
                error = error or invalid_return_type_error(
                    object_type, children.sources[number], field.details
                )
                self._errors.add(
                    level, children.parent_rows[number], field, children.indices(number), error
                )
        if accepted:
            self._execute_children(level, field, children.subset(accepted), object_type)

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


def _is_accepted_by_class(object_type: GraphQLObjectType, sources: Sequence[Any]) -> bool:
    """Whether `is_type_of` declares that it depends on the class only (`by_class`), and accepts
    each class.
    """
    if not getattr(object_type.is_type_of, "by_class", False):
        return False
    by_class = {type(source): source for source in sources}
    return all(object_type.is_type_of(source, None) for source in by_class.values())  # type: ignore[misc, arg-type]
