"""Executing a plan, level by level.

graphql-core walks an answer field by field: for each field of each object it looks up the definition, coerces the
arguments, builds an info, calls the resolver and completes the value. Here a *level* is walked at once: all objects that
hang off one field of one level above, of one runtime type, whatever their number. A plain field then is one `map` over the
level's objects, a leaf's coercion one look at a column, an edge one call of its batch, and a list of a thousand rows costs
a handful of Python calls more than one of ten.

**A level** knows its objects (`sources`), their answers (`rows`, dicts in response order) and how each hangs off the level
above (`found`). `_enter` calls what has to be called for all objects together, makes the rows, hangs them up, and then
completes the fields that hold further objects, which enters the levels below. What is plain is read while the rows are made
(rows.py); where something there is not what it should be, it becomes columns like the rest (columns.py, leaves.py).

**What has to be awaited** (coroutines, futures, Deferred values, batches) becomes a *step*: a coroutine that awaits all of
one field of one level together, and goes on below, synchronously, until it has left further steps. Steps run side by
side; a single one is awaited in place, without a task. The root fields of a mutation run one after another, each with all
that follows from it.

**Errors.** A resolver's exception is its value. When it is met in completing, faults.py locates it and puts null where null
may be; rows hang in their places before anything below them can fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Any, NamedTuple

from graphql import ExecutionResult, GraphQLError, GraphQLObjectType, GraphQLResolveInfo
from graphql.execution.executor import default_type_resolver, invalid_return_type_error
from graphql.execution.values import VariableValues
from graphql.pyutils import Path

from engine.execution.completion import arrival, arrivals, coerced, opened
from engine.execution.errors import Faults
from engine.execution.level import Found, Level, Lists, Place
from engine.execution.objects import all_plain, spread
from engine.execution.plan import Field, Plan, Row
from engine.execution.resolution import Column, Later, of_size
from engine.execution.value_flags import ERROR, NULL, WAITS, traits


class _Got(NamedTuple):
    """What the fields of a level gave: leaves' columns by key, what is to be completed, and columns with faults in them."""

    columns: dict[str, Iterable[Any]]
    unfinished: list[tuple[Field, Column | Later]]
    faults: list[tuple[Field, Sequence[Any]]]


class Walk:
    """One execution of a plan."""

    def __init__(self, plan: Plan, variables: VariableValues, context: Any, root: Any) -> None:
        self.plan, self.schema, self.variables, self.context, self.root = plan, plan.schema, variables, context, root
        self._steps: list[Any] = []
        self._faults = Faults()

    async def run(self, serially: bool = False) -> ExecutionResult:
        """The operation's answer, its errors in response order."""
        level = Level(self.plan.root, Found([self.root], [0], [], [{}], ["data"]))
        if serially:
            await self._serially(level)
        else:
            self._enter(level)
            await self._until_done()
        return ExecutionResult(None if self._faults.fatal else level.rows[0], self._faults.told() or None)

    async def _serially(self, level: Level) -> None:
        level.rows = [dict.fromkeys(field.key for field in level.shape.fields)]
        for field in level.shape.fields:
            self._complete(level, field, field.resolve(self, level))
            await self._until_done()
            if self._faults.fatal:  # nothing more is begun
                return

    async def _until_done(self) -> None:
        steps, self._steps = self._steps, []
        await self._follow(steps)

    async def _follow(self, steps: list[Any]) -> None:
        while len(steps) == 1:
            steps = await steps[0]
        if steps:
            async with asyncio.TaskGroup() as group:
                for step in steps:
                    group.create_task(self._follow([step]))

    # Levels

    def _enter(self, level: Level) -> None:
        shape, got = level.shape, _Got({}, [], [])
        for field in shape.called:
            self._resolve(level, field, got)
        try:
            level.rows = shape.rows(level.sources, *got.columns.values())
        except Exception:  # something isn't plain, and columns know what
            level.rows = self._by_columns(level, got)
        level.found.hang(level.rows)
        for field, column in got.faults:
            self._faults.fail_each(level, field, column)
        for field, values in got.unfinished:
            self._complete(level, field, values)

    def _by_columns(self, level: Level, got: _Got) -> list[Row]:
        for field in level.shape.fields:
            if field.plain:
                self._resolve(level, field, got)
        keys = [field.key for field in level.shape.fields]
        columns = (got.columns.get(key) or repeat(None) for key in keys)
        return [dict(zip(keys, values, strict=True)) for _, *values in zip(level.sources, *columns, strict=False)]

    def _resolve(self, level: Level, field: Field, got: _Got) -> None:
        """Resolve a field: a leaf's column is made ready, if that can be done now, and everything else left unfinished."""
        values, leaf = field.resolve(self, level), field.leaf
        if leaf is None:
            got.unfinished.append((field, values))
        elif field.depth or isinstance(values, Later):
            got.columns[field.key] = repeat(None)
            got.unfinished.append((field, values))
        elif leaf.right(values):
            got.columns[field.key] = values
        elif traits(values) & WAITS:
            got.columns[field.key] = repeat(None)
            got.unfinished.append((field, values))
        else:
            got.columns[field.key] = self._leaves(field, leaf.coerce(values), got.faults)

    def _leaves(self, field: Field, values: list[Any], faults: list[tuple[Field, Sequence[Any]]]) -> list[Any]:
        """The coerced column, null where there is a fault."""
        found = traits(values)
        if found & (ERROR if field.nullable[0] else ERROR | NULL):
            faults.append((field, values))
        return [None if isinstance(value, Exception) else value for value in values] if found & ERROR else values

    # Completing values

    def _complete(self, level: Level, field: Field, values: Column | Later) -> None:
        """Complete a field of a level, whose values these are; or leave a step that will."""
        if isinstance(values, Later):
            self._leave(field, [values.column], lambda columns: self._completed(level, field, columns))
        elif (found := all_plain(level, field, values)) is not None:
            if found.sources:
                self._enter_below(level, field, found, field.kind)
            else:
                found.hang([])
        else:
            self._complete_any(level, field, values)

    def _complete_any(self, level: Level, field: Field, values: Column) -> None:
        if field.depth:
            waiting: list[tuple[list[Any], int]] = []
            values = opened(values, field, field.depth, waiting)
            if waiting:
                awaited = [container[number] for container, number in waiting]
                self._leave(field, awaited, lambda found: self._filled(level, field, values, waiting, found))
                return
        elif traits(values) & WAITS:
            self._leave(field, values, lambda found: self._complete(level, field, found))
            return
        if field.leaf:
            self._hang_leaves(level, field, values)
        else:
            self._descend(level, field, spread(level, field, values, self._faults))

    def _completed(self, level: Level, field: Field, columns: list[Any]) -> None:
        """Complete the column that a batch was awaited to; its failure is each row's."""
        size = len(level.sources)
        self._complete(level, field, [columns[0]] * size if isinstance(columns[0], Exception) else of_size(size, columns[0]))

    def _filled(
        self, level: Level, field: Field, values: Column, waiting: Sequence[tuple[list[Any], int]], found: list[Any]
    ) -> None:
        for (container, number), value in zip(waiting, found, strict=True):
            container[number] = value
        self._complete(level, field, values)

    def _leave(self, field: Field, awaited: Sequence[Any], go_on: Callable[[list[Any]], None]) -> None:
        """Leave a step: await all these, then go on with what came."""
        self._steps.append(self._step(field, awaited, go_on))

    async def _step(self, field: Field, awaited: Sequence[Any], go_on: Callable[[list[Any]], None]) -> list[Any]:
        found = [await arrival(awaited[0], field)] if len(awaited) == 1 else await arrivals(awaited, field)
        self._steps = []  # no other step runs until they are handed over
        go_on(found)
        steps, self._steps = self._steps, []
        return steps

    def _hang_leaves(self, level: Level, field: Field, values: Sequence[Any]) -> None:
        for number, value in enumerate(values):
            faults: list[tuple[Place, Exception]] = []
            level.rows[number][field.key] = coerced(field, value, (), faults)
            for place, error in faults:
                self._faults.fail(level, number, field, place, error)

    # Objects and their types

    def _descend(self, level: Level, field: Field, found: Found) -> None:
        if not found.sources:
            return
        if not field.abstract:
            self._checked(level, field, found, field.kind)
            return
        names = self._type_names(level, field, found)
        if traits(names) & WAITS:
            self._leave(field, names, lambda arrived: self._by_type(level, field, found, arrived))
        else:
            self._by_type(level, field, found, names)

    def _type_names(self, level: Level, field: Field, found: Found) -> list[Any]:
        resolve = field.kind.resolve_type or default_type_resolver

        def name(source: Any, owner: int) -> Any:
            try:
                return resolve(source, self.info(level, owner, field), field.kind)
            except Exception as error:
                return error

        return [name(source, owner) for source, owner in zip(found.sources, found.owners, strict=True)]

    def _by_type(self, level: Level, field: Field, found: Found, names: list[Any]) -> None:
        groups: dict[GraphQLObjectType, list[int]] = {}
        for number, name in enumerate(names):
            try:
                groups.setdefault(self._object_type(level, field, found, number, name), []).append(number)
            except Exception as error:
                self._faults.fail(level, found.owners[number], field, found.place(number), error)
        for kind, numbers in groups.items():
            self._checked(level, field, found.part(numbers), kind)

    def _object_type(self, level: Level, field: Field, found: Found, number: int, name: Any) -> GraphQLObjectType:
        if isinstance(name, Exception):
            raise name
        details = field.details
        info = self.info(level, found.owners[number], field)
        return self.plan.core.ensure_valid_runtime_type(name, field.kind, details, info, found.sources[number])

    def _checked(self, level: Level, field: Field, found: Found, kind: GraphQLObjectType) -> None:
        """Enter the level of these objects once their type's own predicate has found them right."""
        if kind.is_type_of is None or _right_by_class(kind, found.sources):
            self._enter_below(level, field, found, kind)
            return
        answers = self._type_answers(level, field, found, kind)
        if traits(answers) & WAITS:
            self._leave(field, answers, lambda arrived: self._admitted(level, field, found, kind, arrived))
        else:
            self._admitted(level, field, found, kind, answers)

    def _type_answers(self, level: Level, field: Field, found: Found, kind: Any) -> list[Any]:
        def answer(source: Any, owner: int) -> Any:
            try:
                return kind.is_type_of(source, self.info(level, owner, field))
            except Exception as error:
                return error

        return [answer(source, owner) for source, owner in zip(found.sources, found.owners, strict=True)]

    def _admitted(self, level: Level, field: Field, found: Found, kind: GraphQLObjectType, answers: list[Any]) -> None:
        right = []
        for number, answer in enumerate(answers):
            if answer and not isinstance(answer, Exception):
                right.append(number)
            else:
                error = answer if isinstance(answer, Exception) else None
                error = error or invalid_return_type_error(kind, found.sources[number], field.details)
                self._faults.fail(level, found.owners[number], field, found.place(number), error)
        if right:
            self._enter_below(level, field, found.part(right), kind)

    def _enter_below(self, level: Level, field: Field, found: Found | Lists, kind: GraphQLObjectType) -> None:
        try:
            shape = field.below(kind)
        except GraphQLError as error:  # a directive of a field below is given null
            found.hang([None] * len(found.sources))  # so that there are places to put nulls in
            for number, owner in enumerate(found.owners):
                self._faults.fail(level, owner, field, found.place(number), error)
            return
        self._enter(Level(shape, found, level, field))

    # Infos

    def info(self, level: Level, number: int, field: Field) -> GraphQLResolveInfo[Any]:
        """What graphql-core would tell the field's resolver for this row."""
        plan, kind = self.plan, level.shape.kind
        return GraphQLResolveInfo(
            field.name,
            field.nodes,
            field.definition.type,
            kind,
            Path(level.path(number), field.key, kind.name),
            plan.schema,
            plan.core.fragment_definitions,
            self.root,
            plan.operation,
            self.variables,
            self.context,
            plan.core.is_awaitable,
            None,
            plan.core.async_helpers,
        )


def _right_by_class(kind: GraphQLObjectType, sources: Sequence[Any]) -> bool:
    """Whether a predicate that says of itself that it looks at nothing but the class finds each class right."""
    if not getattr(kind.is_type_of, "by_class", False):
        return False
    of_class = {type(source): source for source in sources}
    return all(kind.is_type_of(source, None) for source in of_class.values())  # type: ignore[misc, arg-type]
