"""Executes one operation by plans and by graphql-core, and compares the answers.

Data must be the same, with the same order of keys and the same types of leaves. Errors are compared with their message,
path, locations, extensions and cause, whatever their order.

Where an error climbs to a nullable ancestor, which of several errors is told depends on timing: graphql-core stops at the
first it meets, cancels what still runs, and drops whatever comes below a position that is null already. So what must be
told is worked out from a third execution, by graphql-core without error propagation, which meets every possible error
(`Possible`). Both answers must tell, for each null that an error made, exactly one of the errors that climb to it; they may
tell errors that stayed below it; and all others exactly.
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

from engine import Engine, Limits, Params
from engine.execution.core_executor import Core
from engine.execution.deferred import BatchOf, no_batch

Place = tuple[Any, ...]
Present = Callable[[GraphQLError, Any], dict[str, Any]]
LIMITS = Limits(
    document_bytes=10**6, tokens=10**5, depth=100, nesting=100, aliases=10**5, root_fields=10**4, overlaps=10**7, cost=10**12
)


class Seen:
    """What graphql-core met: which positions may not be null, and every error with its position."""

    def __init__(self) -> None:
        self.must: dict[Place, bool] = {}
        self.errors: list[tuple[Place, GraphQLError]] = []


SEEN: ContextVar[Seen] = ContextVar("SEEN")


class Possible(Core):
    """Goes on after each error, whatever may not be null."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.error_propagation = False

    def complete_value(self, return_type: Any, details: Any, info: Any, path: Any, *rest: Any) -> Any:
        SEEN.get().must.setdefault(tuple(path.as_list()), is_non_null_type(return_type))
        return super().complete_value(return_type, details, info, path, *rest)

    def handle_field_error(self, raw_error: Exception, return_type: Any, details: Any, path: Any) -> None:
        place = tuple(path.as_list())
        SEEN.get().must.setdefault(place, is_non_null_type(return_type))
        error = located_error(raw_error, to_nodes(details), path.as_list())
        SEEN.get().errors.append((place, error))  # even those that come when all above is null: otherwise they may be quicker


def shown(error: GraphQLError, _context: Any) -> dict[str, Any]:
    """All that an error says, and what caused it."""
    cause: Any = error
    while isinstance(cause, GraphQLError) and cause.original_error:
        cause = cause.original_error
    return {**error.formatted, "cause": type(cause).__name__}


class Both:
    """One schema's engines."""

    def __init__(self, schema: GraphQLSchema, batch_of: BatchOf = no_batch, present: Present = shown) -> None:
        self.schema, self.present = schema, present
        given: dict[str, Any] = {"limits": LIMITS, "batch_of": batch_of, "present": present}
        self.compiled = Engine(schema, **given)
        self.core = Engine(schema, compiled=False, **given)
        self.possible = Engine(schema, compiled=False, executor=Possible, **given)
        self.core._library = self.possible._library = self.compiled._library  # a document is parsed and validated once

    async def agree(
        self, document: str, variables: Mapping[str, Any], fresh: Callable[[], Any], root: Any = None
    ) -> dict[str, Any]:
        """The answer that both give. Raises AssertionError where they differ."""
        try:
            return await self._agreed(Params(document, variables=dict(variables)), fresh, root)
        except Exception as error:
            error.add_note(f"{document}\nvariables: {variables}\ncontext: {fresh()}")
            raise

    async def _agreed(self, params: Params, fresh: Callable[[], Any], root: Any) -> dict[str, Any]:
        contexts = [fresh() for _ in range(2)]
        again = await run(self.compiled, params, fresh(), root)  # a plan's first walk makes rows by columns only
        mine = await run(self.compiled, params, contexts[0], root)
        theirs = await run(self.core, params, contexts[1], root)
        nulls = await self._explained(params, fresh(), root, mine, theirs)
        assert alike(mine["data"], theirs["data"]), f"data\n  by plan: {mine}\n  by core: {theirs}"
        assert alike(mine["data"], again["data"]), f"data\n  at first: {again}\n  then: {mine}"
        _same_story(contexts[0], contexts[1], nulls)
        return mine

    async def _explained(
        self, params: Params, context: Any, root: Any, mine: dict[str, Any], theirs: dict[str, Any]
    ) -> set[Place]:
        if not mine.get("errors") and not theirs.get("errors"):
            return set()
        seen = Seen()
        token = SEEN.set(seen)
        try:
            whole = await run(self.possible, params, context, root)
        finally:
            SEEN.reset(token)
        expected = Expected(seen, whole, lambda error: self.present(error, context))
        expected.check(theirs, "graphql-core")
        expected.check(mine, "the plan")
        expected.check_order(mine)
        return expected.nulls


async def run(engine: Engine, params: Params, context: Any, root: Any) -> dict[str, Any]:
    """The answer, when nothing that it began is running any more."""
    before = asyncio.all_tasks()
    operation = engine.prepare(params)
    if operation.kind == "subscription":
        answer = await engine.event(operation, context, root)
    else:
        answer = await engine.execute(operation, context)
    while left := [task for task in asyncio.all_tasks() - before if not task.done()]:
        await asyncio.gather(*left, return_exceptions=True)
    return said(answer)  # type: ignore[no-any-return] # a dict's like


def said(value: Any) -> Any:
    """The same with every date and moment as its text, which is what the encoder makes of it (test_encoding.py)."""
    if isinstance(value, dict):
        return {key: said(each) for key, each in value.items()}
    if isinstance(value, list):
        return [said(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value


class Expected:
    """What an answer must be, given all that can go wrong."""

    def __init__(self, seen: Seen, whole: Any, present: Callable[[GraphQLError], dict[str, Any]]) -> None:
        self.whole = whole["data"]
        # Each error as it is told, where it arises and which position it nulls; () is the whole of the data.
        self.possible = [(told(present(error)), place, climbed(place, seen.must)) for place, error in seen.errors]
        self.possible += [(told(error), (), ()) for error in whole.get("errors", ())]  # of the operation as a whole
        # An error that brings its own path may come from several places.
        self.times = Counter(text for text, _, _ in self.possible)
        every = {null for _, _, null in self.possible}
        self.nulls = {null for null in every if not any(null[:length] in every for length in range(len(null)))}

    def check(self, answer: dict[str, Any], who: str) -> None:
        tellings = Counter(told(error) for error in answer.get("errors", ()))
        story = f"{who} answers {answer}\n  where these are possible: {self.possible}"
        climbers: dict[Place, int] = dict.fromkeys(self.nulls, 0)
        for text, _, null in sorted(self.possible, key=lambda each: self.times[each[0]]):
            if null in self.nulls and tellings[text] > 0 and not climbers[null]:
                tellings[text] -= 1
                climbers[null] += 1
        assert all(climbers.values()), f"an error is missing\n  {story}"
        optional = Counter(text for text, _, null in self.possible if null not in self.nulls)
        assert not +tellings - optional, f"there are errors too many: {+tellings - optional}\n  {story}"
        for null in self.nulls:
            assert at(answer["data"], null) is None, f"not null at {null}\n  {story}"

    def check_order(self, answer: dict[str, Any]) -> None:
        """Errors come in the response order of the positions that they null."""
        nulls = {text: null for text, _, null in self.possible if null and self.times[text] == 1}
        orders = [tuple(steps(self.whole, nulls[told(error)])) for error in answer.get("errors", ()) if told(error) in nulls]
        assert orders == sorted(orders), f"errors out of order: {answer}"


def climbed(place: Place, must: Mapping[Place, bool]) -> Place:
    """The position that an error nulls which arises at this place."""
    while place and must[place]:
        place = place[:-1]
    return place


def at(data: Any, place: Place) -> Any:
    for key in place:
        if data is None:
            return None
        data = data[key]
    return data


def steps(data: Any, place: Place) -> Iterator[int]:
    for key in place:
        yield key if isinstance(key, int) else list(data).index(key)
        data = data[key]


def told(error: dict[str, Any]) -> str:
    """An error as a text to compare. How many parents a batch got depends on how they were gathered."""
    return re.sub(r"A batch returned \d+ values for \d+ parents", "A batch returned n values for m parents", repr(error))


def alike(mine: Any, theirs: Any) -> bool:
    """Whether two trees are the same, in the order of keys and the types of leaves too."""
    return repr(mine) == repr(theirs)


def _same_story(mine: Any, theirs: Any, nulls: set[Place]) -> None:
    """Whether resolvers were called as often, except below a null, where graphql-core stops early."""
    if not hasattr(mine, "calls"):
        return
    assert mine.effects == theirs.effects, f"effects\n  by plan: {mine.effects}\n  by core: {theirs.effects}"
    calls = [
        {place: _counted(place, times) for place, times in scene.calls.items() if _certain(place, nulls)}
        for scene in (mine, theirs)
    ]
    assert calls[0] == calls[1], f"calls that differ: {set(calls[0].items()) ^ set(calls[1].items())}"


def _counted(place: Place, times: int) -> int:
    """An attribute may be read again where a row turned out not to be plain (codegen.py); a resolver is called once."""
    return 1 if str(place[-1]).startswith(".") else times


def _certain(place: Place, nulls: set[Place]) -> bool:
    """Whether the call must be made. An object's fields are counted by their names, nulls by response keys."""
    if str(place[-1]).startswith("."):
        return not nulls
    return not any(place[:length] in nulls for length in range(len(place)))
