"""Executing a plan, level by level.

graphql-core walks an answer field by field: for each field of each object it looks up the definition, coerces the
arguments, builds an info, calls the resolver and completes the value. Here a *level* is walked at once: all objects that
hang off one field of one level above, of one runtime type, whatever their number. A plain field then is one `map` over the
level's objects, a leaf's coercion one look at a column, an edge one call of its batch, and a list of a thousand rows costs
a handful of Python calls more than one of ten.

**A level** knows its objects (`sources`), their answers (`rows`, dicts in response order) and how each hangs off the level
above (`owners`: the row, `places`: the position in lists, if any). `enter` makes a level: it resolves each field for all
objects, coerces leaves, makes the rows, hangs them up, and then completes the fields that hold objects, which enters the
levels below.

**What has to be awaited** (coroutines, futures, Deferred values, batches) becomes a *step*: a coroutine that awaits all of
one field of one level together, and goes on below, synchronously, until it has left further steps. Steps run side by
side; a single one is awaited in place, without a task. The root fields of a mutation run one after another, each with all
that follows from it.

**Errors.** A resolver's exception is its value; `_fail` locates it when it is met in completing. The error then climbs to
the nearest position that may be null, through lists and levels by their owners and places, and the null is put there:
rows hang in their place before anything below them can fail. Below a position that was nulled errors are dropped, as
graphql-core does, and what still runs there writes into rows that nobody will see. In the end errors are sorted into
response order, so that an answer doesn't depend on which step was quicker.

What this can't do goes to graphql-core: see `fits`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from itertools import repeat
from types import CoroutineType
from typing import Any, NamedTuple

from graphql import ExecutionResult, GraphQLError, GraphQLObjectType, GraphQLResolveInfo, Undefined, located_error
from graphql.execution import Executor
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.executor import default_type_resolver, invalid_return_type_error
from graphql.pyutils import Path, is_iterable

from engine.deferred import Deferred
from engine.plan import Field, Plan, Row, Shape
from engine.resolution import Column, Later

Place = tuple[int, ...]


class Level:
    """The objects of one runtime type that hang off one field of the level above."""

    __slots__ = ("field", "owners", "parent", "paths", "places", "rows", "shape", "sources")

    def __init__(
        self,
        shape: Shape,
        sources: Sequence[Any],
        parent: Level | None,
        field: Field | None,
        owners: Sequence[int],
        places: Sequence[Any] | None,
    ) -> None:
        self.shape, self.sources, self.parent, self.field = shape, sources, parent, field
        self.owners, self.places = owners, places
        self.rows: list[Row] = []
        self.paths: dict[int, Path] = {}

    def place(self, number: int) -> Place:
        if self.places is None:
            return ()
        place = self.places[number]
        return (place,) if isinstance(place, int) else place

    def path(self, number: int) -> Path | None:
        """Where the row stands in the answer; None for the root."""
        if self.parent is None or self.field is None:
            return None
        if number not in self.paths:
            path = Path(self.parent.path(self.owners[number]), self.field.key, self.parent.shape.kind.name)
            for position in self.place(number):
                path = path.add_key(position, None)
            self.paths[number] = path
        return self.paths[number]

    def order(self, number: int) -> tuple[int, ...]:
        """Where the row stands among all others, in response order."""
        if self.parent is None or self.field is None:
            return ()
        return (*self.parent.order(self.owners[number]), self.field.position, *self.place(number))


class Found(NamedTuple):
    """The objects below one field: how each hangs off the level above, and the container and key that await its row."""

    sources: Sequence[Any]
    owners: Sequence[int]
    places: Sequence[Any]
    holders: Sequence[Any]
    keys: Sequence[Any]


class Walk:
    """One execution of a plan. `core` makes graphql-core's executor of the same operation, for what it defines better."""

    def __init__(self, plan: Plan, variables: Any, context: Any, root: Any, core: Callable[[], Executor[Any]]) -> None:
        self.plan, self.schema, self.variables, self.context, self.root = plan, plan.schema, variables, context, root
        self._make_core = core
        self._core: Executor[Any] | None = None
        self._steps: list[Any] = []
        self._errors: list[tuple[tuple[int, ...], GraphQLError]] = []
        self._nulled: set[tuple[Any, ...]] = set()

    async def run(self, serially: bool = False) -> ExecutionResult:
        """The operation's answer, its errors in response order."""
        level = Level(self.plan.root, [self.root], None, None, [0], None)
        self._root = level
        if serially:
            await self._serially(level)
        else:
            self._enter(level, [{}], ["data"])
            await self._until_done()
        data = None if () in self._nulled else level.rows[0]
        return ExecutionResult(data, [error for _, error in sorted(self._errors, key=lambda each: each[0])] or None)

    async def _serially(self, level: Level) -> None:
        level.rows = [dict.fromkeys(field.key for field in level.shape.fields)]
        for field in level.shape.fields:
            self._complete(level, field, field.resolve(self, level))
            await self._until_done()
            if () in self._nulled:  # nothing more is begun
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

    def _enter(self, level: Level, holders: Sequence[Any], keys: Iterable[Any]) -> None:
        columns: list[Sequence[Any]] = []
        unfinished: list[tuple[Field, Column | Later]] = []
        faults: list[tuple[Field, Sequence[Any]]] = []
        for field in level.shape.fields:
            values = field.resolve(self, level)
            if field.leaf is None or field.depth or isinstance(values, Later):
                unfinished.append((field, values))
            elif field.leaf.right(values):
                columns.append(values)
                continue
            elif _traits(values) & WAITS:
                unfinished.append((field, values))
            else:
                columns.append(self._leaves(field, field.leaf.coerce(values), faults))
                continue
            if field.leaf:
                columns.append([None] * len(level.sources))
        level.rows = level.shape.make(len(level.sources), columns)
        for holder, key, row in zip(holders, keys, level.rows, strict=False):
            holder[key] = row
        for field, column in faults:
            self._fail_each(level, field, column)
        for field, values in unfinished:
            self._complete(level, field, values)

    def _leaves(self, field: Field, coerced: list[Any], faults: list[tuple[Field, Sequence[Any]]]) -> list[Any]:
        """The column, null where there is a fault."""
        traits = _traits(coerced)
        if traits & (ERROR if field.nullable[0] else ERROR | NULL):
            faults.append((field, coerced))
        return [None if isinstance(value, Exception) else value for value in coerced] if traits & ERROR else coerced

    # Completing values

    def _complete(self, level: Level, field: Field, values: Column | Later) -> None:
        """Complete a field of a level, whose values these are; or leave a step that will."""
        if isinstance(values, Later):
            self._steps.append(self._fetched(level, field, values))
            return
        waiting: list[tuple[list[Any], int]] = []
        if field.depth or _traits(values) & WAITS:
            values = _opened(values, field, field.depth, waiting)
        if waiting:
            self._steps.append(self._arrived(level, field, values, waiting))
        elif field.leaf:
            self._hang_leaves(level, field, values)
        else:
            self._descend(level, field, self._spread_all(level, field, values))

    async def _fetched(self, level: Level, field: Field, later: Later) -> list[Any]:
        size = len(level.sources)
        try:
            values = await later.column
            if len(values) != size:
                raise ValueError(f"A batch returned {len(values)} values for {size} parents.")
        except Exception as error:
            values = [error] * size
        return self._next(level, field, values)

    async def _arrived(
        self, level: Level, field: Field, values: Sequence[Any], waiting: list[tuple[list[Any], int]]
    ) -> list[Any]:
        found = await _arrivals([container[number] for container, number in waiting], field)
        for (container, number), value in zip(waiting, found, strict=True):
            container[number] = value
        return self._next(level, field, values)

    def _next(self, level: Level, field: Field, values: Column) -> list[Any]:
        """Complete, and hand over the steps that this left: no other step runs meanwhile."""
        self._steps = []
        self._complete(level, field, values)
        steps, self._steps = self._steps, []
        return steps

    def _hang_leaves(self, level: Level, field: Field, values: Sequence[Any]) -> None:
        for number, value in enumerate(values):
            faults: list[tuple[Place, Exception]] = []
            level.rows[number][field.key] = _coerced(field, value, (), faults)
            for place, error in faults:
                self._fail(level, number, field, place, error)

    def _spread_all(self, level: Level, field: Field, values: Sequence[Any]) -> Found:
        """Every object in the values, nulls and failures put in their places."""
        size, rows = len(values), level.rows
        if field.depth == 0 and not _traits(values):
            return Found(values, range(size), [], rows, [field.key] * size)
        found = Found([], [], [], [], [])
        for number, value in enumerate(values):
            self._spread(level, number, field, (), value, rows[number], field.key, found)
        return found

    def _spread(
        self, level: Level, number: int, field: Field, place: Place, value: Any, holder: Any, key: Any, found: Any
    ) -> None:
        if value is None or value is Undefined:
            if not field.nullable[len(place)]:
                self._fail(level, number, field, place, _missing(field))
        elif isinstance(value, Exception):
            self._fail(level, number, field, place, value)
        elif len(place) == field.depth:
            for column, each in zip(found, (value, number, place, holder, key), strict=True):
                column.append(each)
        elif field.depth == 1 and not _traits(value):
            _spread_flat(number, value, holder, key, found)
        else:
            holder[key] = inner = [None] * len(value)
            for position, item in enumerate(value):
                self._spread(level, number, field, (*place, position), item, inner, position, found)

    # Objects and their types

    def _descend(self, level: Level, field: Field, found: Found) -> None:
        if not found.sources:
            return
        if not field.abstract:
            self._checked(level, field, found, field.kind)
            return
        names = self._type_names(level, field, found)
        if _traits(names) & WAITS:
            self._steps.append(self._named_later(level, field, found, names))
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

    async def _named_later(self, level: Level, field: Field, found: Found, names: list[Any]) -> list[Any]:
        names = await _arrivals(names, field)
        self._steps = []
        self._by_type(level, field, found, names)
        steps, self._steps = self._steps, []
        return steps

    def _by_type(self, level: Level, field: Field, found: Found, names: list[Any]) -> None:
        groups: dict[GraphQLObjectType, list[int]] = {}
        for number, name in enumerate(names):
            try:
                groups.setdefault(self._object_type(level, field, found, number, name), []).append(number)
            except Exception as error:
                self._fail(level, found.owners[number], field, _place(found, number, field), error)
        for kind, numbers in groups.items():
            self._checked(level, field, found if len(groups) == 1 == len(names) else _part(found, numbers), kind)

    def _object_type(self, level: Level, field: Field, found: Found, number: int, name: Any) -> GraphQLObjectType:
        if isinstance(name, Exception):
            raise name
        details = field.details
        info = self.info(level, found.owners[number], field)
        return self.core.ensure_valid_runtime_type(name, field.kind, details, info, found.sources[number])

    def _checked(self, level: Level, field: Field, found: Found, kind: GraphQLObjectType) -> None:
        """Enter the level of these objects once their type's own predicate has found them right."""
        if kind.is_type_of is None or _right_by_class(kind, found.sources):
            self._enter_below(level, field, found, kind)
            return
        answers = self._type_answers(level, field, found, kind)
        if _traits(answers) & WAITS:
            self._steps.append(self._answered_later(level, field, found, kind, answers))
        else:
            self._admitted(level, field, found, kind, answers)

    def _type_answers(self, level: Level, field: Field, found: Found, kind: Any) -> list[Any]:
        def answer(source: Any, owner: int) -> Any:
            try:
                return kind.is_type_of(source, self.info(level, owner, field))
            except Exception as error:
                return error

        return [answer(source, owner) for source, owner in zip(found.sources, found.owners, strict=True)]

    async def _answered_later(
        self, level: Level, field: Field, found: Found, kind: GraphQLObjectType, answers: list[Any]
    ) -> list[Any]:
        answers = await _arrivals(answers, field)
        self._steps = []
        self._admitted(level, field, found, kind, answers)
        steps, self._steps = self._steps, []
        return steps

    def _admitted(self, level: Level, field: Field, found: Found, kind: GraphQLObjectType, answers: list[Any]) -> None:
        right = []
        for number, answer in enumerate(answers):
            if answer and not isinstance(answer, Exception):
                right.append(number)
            else:
                error = answer if isinstance(answer, Exception) else None
                error = error or invalid_return_type_error(kind, found.sources[number], field.details)
                self._fail(level, found.owners[number], field, _place(found, number, field), error)
        if right:
            self._enter_below(level, field, found if len(right) == len(answers) else _part(found, right), kind)

    def _enter_below(self, level: Level, field: Field, found: Found, kind: GraphQLObjectType) -> None:
        below = Level(field.below(kind), found.sources, level, field, found.owners, found.places if field.depth else None)
        self._enter(below, found.holders, found.keys)

    # Infos

    @property
    def core(self) -> Executor[Any]:
        if self._core is None:
            self._core = self._make_core()
        return self._core

    def info(self, level: Level, number: int, field: Field) -> GraphQLResolveInfo[Any]:
        """What graphql-core would tell the field's resolver for this row."""
        path = Path(level.path(number), field.key, level.shape.kind.name)
        return self.core.build_resolve_info(field.definition, field.nodes, level.shape.kind, path)

    # Errors

    def _fail_each(self, level: Level, field: Field, coerced: Sequence[Any]) -> None:
        for number, value in enumerate(coerced):
            if isinstance(value, Exception):
                self._fail(level, number, field, (), value)
            elif value is None and not field.nullable[0]:
                self._fail(level, number, field, (), _missing(field))

    def _fail(self, level: Level, number: int, field: Field, place: Place, error: Exception) -> None:
        path = [*_keys(level.path(number)), field.key, *place]
        self._null(level, number, field, place, located_error(error, field.nodes, path))

    def _null(self, level: Level, number: int, field: Field, place: Place, error: GraphQLError) -> None:
        """Put null at the nearest position that allows it, and keep the error unless all that is gone already."""
        for depth in range(len(place), -1, -1):
            if field.nullable[depth]:
                self._put_null(level, number, field, place[:depth], error)
                return
        if level.parent is None or level.field is None:
            self._keep((), (*level.order(number), field.position, *place), error)
            return
        self._null(level.parent, level.owners[number], level.field, level.place(number), error)

    def _put_null(self, level: Level, number: int, field: Field, place: Place, error: GraphQLError) -> None:
        position = (*_keys(level.path(number)), field.key, *place)
        if self._keep(position, (*level.order(number), field.position, *place), error):
            holder: Any = level.rows[number]
            for key in (field.key, *place)[:-1]:
                holder = holder[key]
            holder[position[-1]] = None

    def _keep(self, position: tuple[Any, ...], order: tuple[int, ...], error: GraphQLError) -> bool:
        if any(position[:length] in self._nulled for length in range(len(position) + 1)):
            return False
        self._nulled.add(position)
        self._errors.append((order, error))
        return True


def _keys(path: Path | None) -> list[Any]:
    return path.as_list() if path else []


def _place(found: Found, number: int, field: Field) -> Place:
    if not field.depth:
        return ()
    place = found.places[number]
    return (place,) if isinstance(place, int) else place


def _part(found: Found, numbers: Sequence[int]) -> Found:
    return Found(*([column[number] for number in numbers] if column else [] for column in found))


def _missing(field: Field) -> TypeError:
    return TypeError(f"Cannot return null for non-nullable field {field.parent}.{field.name}.")


def _right_by_class(kind: GraphQLObjectType, sources: Sequence[Any]) -> bool:
    """Whether a predicate that says of itself that it looks at nothing but the class finds each class right."""
    if not getattr(kind.is_type_of, "by_class", False):
        return False
    of_class = {type(source): source for source in sources}
    return all(kind.is_type_of(source, None) for source in of_class.values())  # type: ignore[misc, arg-type]


# What the values of a column are, by their classes: a column of a thousand values has one or two.

WAITS, ERROR, NULL = 1, 2, 4


class _Traits(dict[type, int]):
    def __missing__(self, kind: type) -> int:
        if len(self) > 1_000:  # classes made on the fly must not live for ever
            self.clear()
        waits = issubclass(kind, CoroutineType | asyncio.Future | Deferred)
        null = kind is type(None) or kind is type(Undefined)
        self[kind] = WAITS * waits | ERROR * issubclass(kind, Exception) | NULL * null
        return self[kind]


_TRAITS = _Traits()


def _traits(values: Sequence[Any]) -> int:
    """Whether a column holds anything to wait for, errors or nulls; 0 for the usual one."""
    found = 0
    for kind in set(map(type, values)):
        found |= _TRAITS[kind]
    return found


def _spread_flat(number: int, values: Sequence[Any], holder: Any, key: Any, found: Any) -> None:
    size = len(values)
    holder[key] = inner = [None] * size
    found.sources.extend(values)
    found.owners.extend(repeat(number, size))
    found.places.extend(range(size))
    found.holders.extend(repeat(inner, size))
    found.keys.extend(range(size))


def _opened(values: Sequence[Any], field: Field, depth: int, waiting: list[tuple[list[Any], int]]) -> Sequence[Any]:
    """The values with all lists made lists, `depth` deep; what must be awaited is noted with its place in ours."""
    if _traits(values) & WAITS:
        values = list(values)
        waiting.extend((values, number) for number, value in enumerate(values) if _waits(value))
    if depth == 0:
        return values
    opened = list(values)
    for number, value in enumerate(values):
        opened[number] = value if _waits(value) else _open(value, field, depth, waiting, (opened, number))
    waiting[:] = [(opened if container is values else container, number) for container, number in waiting]
    return opened


def _waits(value: Any) -> int:
    return _TRAITS[type(value)] & WAITS


def _open(value: Any, field: Field, depth: int, waiting: list[tuple[list[Any], int]], place: tuple[list[Any], int]) -> Any:
    if isinstance(value, list | tuple):
        return _opened(value, field, depth - 1, waiting)
    if value is None or value is Undefined or isinstance(value, Exception):
        return value
    if isinstance(value, AsyncIterable):
        waiting.append(place)
        return _gathered(value)
    if not is_iterable(value):
        return GraphQLError(f"Expected Iterable, but did not find one for field '{field.parent}.{field.name}'.")
    try:
        return _opened(list(value), field, depth - 1, waiting)
    except Exception as error:
        return error


async def _gathered(values: AsyncIterable[Any]) -> list[Any]:
    return [value async for value in values]


async def _arrivals(values: Sequence[Any], field: Field) -> list[Any]:
    if len(values) == 1:  # a task costs more than what is awaited, often
        return [await _arrival(values[0], field)]
    return list(await asyncio.gather(*(_arrival(value, field) for value in values)))


async def _arrival(value: Any, field: Field) -> Any:
    """What a value was awaited to, or the exception it raised; a value that needs no awaiting is itself."""
    try:
        if isinstance(value, Deferred):
            return await value.fetch(field.selection)
        return await value if _waits(value) else value
    except Exception as error:
        return error


def _coerced(field: Field, value: Any, place: Place, faults: list[tuple[Place, Exception]]) -> Any:
    """A leaf, or a list of them, with null where there is a fault."""
    if value is None or value is Undefined:
        if not field.nullable[len(place)]:
            faults.append((place, _missing(field)))
        return None
    if isinstance(value, Exception):
        faults.append((place, value))
        return None
    if len(place) < field.depth:
        return [_coerced(field, item, (*place, position), faults) for position, item in enumerate(value)]
    assert field.leaf is not None  # noqa: S101 - objects are spread
    [coerced] = field.leaf.coerce([value])
    if isinstance(coerced, Exception):
        faults.append((place, coerced))
        return None
    return coerced


def fits(fragments: Mapping[str, FragmentDetails]) -> str | None:
    """Why an operation has to go to graphql-core; None when a plan can be made of it."""
    if any(fragment.variable_signatures for fragment in fragments.values()):
        return "fragment variables"
    return None
