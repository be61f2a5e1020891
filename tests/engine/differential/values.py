"""Values that resolvers should never return, among those they should, in every wrapping that an executor has to open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from enum import Enum
from random import Random
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
    is_abstract_type,
    is_leaf_type,
)

from engine import Deferred, Selection
from tests.engine.differential.scene import Scene


class Size(Enum):
    SMALL = "s"
    LARGE = ("l", 1)


BLUE = (0, 0, 255)

RIGHT: dict[str, Sequence[Any]] = {
    "Int": (0, 1, -7, 2**31 - 1, -(2**31)),
    "Float": (0.5, -2.0, 3, 1e300),
    "String": ("", "text", 'é "\u2028'),
    "Boolean": (True, False),
    "ID": ("an id", "7", 7),
    "Odd": ("fine", 3),
    "Anything": ({"b": [1, None], "a": 1.0}, [True, "x"], "text", 0, False),
    "Colour": ("r", 2, BLUE),
    "Size": (Size.SMALL, Size.LARGE),
}
WRONG: dict[str, Sequence[Any]] = {
    "Int": (2**31, -(2**31) - 1, 1.0, 1.5, True, "7", "", "seven", float("nan"), float("inf"), [1], object, 10**400),
    "Float": (float("nan"), float("-inf"), "1.5", "", True, 10**400, [1.5], object),
    "String": (5, True, 1.5, b"bytes", ["a"], {"a": 1}, object, float("nan")),
    "Boolean": (1, 0, 1.0, "true", "", float("nan"), [True], object),
    "ID": (7.0, 7.5, True, 2**80, ["a"], object, b"id"),
    "Odd": ("raise", "null", "undefined", "refuse"),
    "Anything": (object, {1: object}),
    "Colour": ("RED", "x", ["unhashable"], 2.0, True, Size.SMALL),
    "Size": ("s", "SMALL", ["unhashable"], object, 5, Undefined),
}


class Spiteful(Exception):
    """Looks like an error of graphql-core: it brings extensions, and a message of its own."""

    message = "spite"
    extensions = {"code": "SPITE"}


FAULTS: Sequence[Callable[[], Exception]] = (
    lambda: ValueError("a fault"),
    lambda: GraphQLError("refused", extensions={"code": "NO", "more": [1]}),
    lambda: GraphQLError("placed elsewhere", path=["else", 0, "where"]),
    lambda: GraphQLError("", original_error=KeyError("the cause")),
    Spiteful,
    lambda: TimeoutError("slow"),
    lambda: KeyError("k"),
    lambda: AttributeError("no such attribute"),
    lambda: StopAsyncIteration("stopped"),
    lambda: ExceptionGroup("several", [ValueError("one"), TypeError("two")]),
)


class Fetched(Deferred):
    """A deferred value: it comes after some turns of the loop, or fails."""

    __slots__ = ("turns", "value")

    def __init__(self, value: Any, turns: int) -> None:
        self.value, self.turns = value, turns

    async def fetch(self, selection: Selection | None) -> Any:
        if selection is not None:
            [selection.below(name) for name in selection.fields]  # as one that reads columns would
        return await later(self.value, self.turns)


class Raised:
    """Stands for a value whose resolver raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error


async def later(value: Any, turns: int) -> Any:
    for _ in range(turns):
        await asyncio.sleep(0)
    return given(value)


def given(value: Any) -> Any:
    if isinstance(value, Raised):
        raise value.error
    return value


# Items are made when they are asked for: a coroutine that nobody reached would complain that it was never awaited.


class Numbers:
    """An iterable that is no sequence."""

    def __init__(self, items: Iterator[Any], end: Exception | None) -> None:
        self.items, self.end = items, end

    def __iter__(self) -> Iterator[Any]:
        return ending(self.items, self.end)


def ending(items: Iterator[Any], end: Exception | None) -> Iterator[Any]:
    yield from items
    if end:
        raise end


class Ticks:
    """An asynchronous iterator without `aclose`."""

    def __init__(self, items: Iterator[Any], end: Exception | None) -> None:
        self.items, self.end = items, end

    def __aiter__(self) -> Ticks:
        return self

    async def __anext__(self) -> Any:
        await asyncio.sleep(0)
        for item in self.items:
            return item
        raise self.end or StopAsyncIteration


async def ticking(items: Iterator[Any], end: Exception | None) -> AsyncIterator[Any]:
    for item in items:
        await asyncio.sleep(0)
        yield item
    if end:
        raise end


class Source:
    """The value of an object: what its fields are is asked of it, by name."""

    def __init__(self, maker: Maker, kind: str, path: tuple[Any, ...]) -> None:
        self.maker, self.kind, self.path = maker, kind, path

    def field(self, name: str) -> Any:
        kind = self.maker.schema.type_map.get(self.kind)
        if not isinstance(kind, GraphQLObjectType) or name not in kind.fields:
            return None
        self.maker.scene.calls[(*self.path, f".{name}")] += 1
        return self.maker.field(kind.fields[name].type, (*self.path, name))


class Attributes(Source):
    def __init__(self, maker: Maker, kind: str, path: tuple[Any, ...]) -> None:
        super().__init__(maker, kind, path)
        self._Attributes__typename = kind if kind != "Dog" else None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.field(name)


class Methods(Source):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda info, **arguments: self.field(name)


class Entries(Source, Mapping[str, Any]):
    def __getitem__(self, name: str) -> Any:
        return self.kind if name == "__typename" else self.field(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Maker:
    """Makes the values of one schema in one scene."""

    def __init__(self, schema: GraphQLSchema, scene: Scene) -> None:
        self.schema, self.scene = schema, scene

    def field(self, kind: Any, path: tuple[Any, ...], *more: Any) -> Any:
        """What a resolver returns, or raises, at this path."""
        dice = self.scene.dice(path, *more)
        value = self.value(kind, dice, path)
        turn = dice.randrange(12)
        if turn < 6:
            return given(value)
        if turn < 9:
            return later(value, turn - 6)
        if turn == 9:
            return asyncio.ensure_future(later(value, 1))
        return Fetched(value, turn - 10)

    def value(self, kind: Any, dice: Random, path: tuple[Any, ...]) -> Any:
        """A value of this type, mostly a right one. It may have to be `given`."""
        must = isinstance(kind, GraphQLNonNull)
        inner = kind.of_type if must else kind
        if self.scene.wild(dice) and dice.random() < 0.6:
            return self.fault(dice)
        if not must and dice.random() < 0.08:
            return dice.choice((None, None, Undefined))
        if isinstance(inner, GraphQLList):
            return self.listing(inner.of_type, dice, path)
        if is_leaf_type(inner):
            return self.leaf(inner.name, dice)
        return self.source(inner, dice, path)

    def fault(self, dice: Random) -> Any:
        error = dice.choice(FAULTS)()
        return dice.choice((None, Undefined, error, Raised(error), Raised(error), 5, "text", {}))

    def leaf(self, name: str, dice: Random) -> Any:
        return dice.choice(WRONG[name] if self.scene.wild(dice) else RIGHT[name])

    def listing(self, kind: Any, dice: Random, path: tuple[Any, ...]) -> Any:
        end = dice.choice(FAULTS)() if self.scene.wild(dice) else None
        end = None if isinstance(end, StopAsyncIteration) else end
        items = (self.item(kind, (*path, number)) for number in range(dice.choice((0, 1, 2, 3, 4))))
        wrap: Any = dice.choice((list, list, list, tuple, iter, Numbers, ending, ticking, Ticks))
        return wrap(items) if wrap in {list, tuple, iter} else wrap(items, end)

    def item(self, kind: Any, path: tuple[Any, ...]) -> Any:
        dice = self.scene.dice("item", path)
        value = self.value(kind, dice, path)
        turn = dice.randrange(16)
        if turn < 3:
            return later(value, turn)
        if turn == 3:
            return Fetched(value, 1)
        return value.error if isinstance(value, Raised) else value

    def source(self, kind: Any, dice: Random, path: tuple[Any, ...]) -> Source:
        kinds = [each.name for each in self.schema.get_possible_types(kind)] if is_abstract_type(kind) else [kind.name]
        if self.scene.wild(dice):
            kinds = ["Cat", "Dog", "Robot", "Ghost", "Node", "Nowhere", "Odd", "", "Box"]
        return dice.choice((Attributes, Methods, Entries))(self, dice.choice(kinds), path)
