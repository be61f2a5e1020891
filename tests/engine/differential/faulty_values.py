"""Valid and invalid values of resolvers, in every wrapping that an executor has to handle."""

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
from tests.engine.differential.seeded_context import SeededContext


class Size(Enum):
    SMALL = "s"
    LARGE = ("l", 1)


BLUE = (0, 0, 255)

VALID: dict[str, Sequence[Any]] = {
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
INVALID: dict[str, Sequence[Any]] = {
    "Int": (
        2**31,
        -(2**31) - 1,
        1.0,
        1.5,
        True,
        "7",
        "",
        "seven",
        float("nan"),
        float("inf"),
        [1],
        object,
        10**400,
    ),
    "Float": (float("nan"), float("-inf"), "1.5", "", True, 10**400, [1.5], object),
    "String": (5, True, 1.5, b"bytes", ["a"], {"a": 1}, object, float("nan")),
    "Boolean": (1, 0, 1.0, "true", "", float("nan"), [True], object),
    "ID": (7.0, 7.5, True, 2**80, ["a"], object, b"id"),
    "Odd": ("raise", "null", "undefined", "refuse"),
    "Anything": (object, {1: object}),
    "Colour": ("RED", "x", ["unhashable"], 2.0, True, Size.SMALL),
    "Size": ("s", "SMALL", ["unhashable"], object, 5, Undefined),
}


class ErrorLookalike(Exception):
    """Has a message and extensions, like graphql-core's errors."""

    message = "lookalike"
    extensions = {"code": "LOOKALIKE"}


EXCEPTIONS: Sequence[Callable[[], Exception]] = (
    lambda: ValueError("a failure"),
    lambda: GraphQLError("refused", extensions={"code": "NO", "more": [1]}),
    lambda: GraphQLError("with a path of its own", path=["else", 0, "where"]),
    lambda: GraphQLError("", original_error=KeyError("the cause")),
    ErrorLookalike,
    lambda: TimeoutError("slow"),
    lambda: KeyError("k"),
    lambda: AttributeError("no such attribute"),
    lambda: StopAsyncIteration("stopped"),
    lambda: ExceptionGroup("several", [ValueError("one"), TypeError("two")]),
)


class DeferredValue(Deferred):
    """A value that is available, or fails, after some iterations of the event loop."""

    __slots__ = ("iterations", "value")

    def __init__(self, value: Any, iterations: int) -> None:
        self.value, self.iterations = value, iterations

    async def fetch(self, selection: Selection | None) -> Any:
        if selection is not None:
            # As a database query would, to choose its columns.
            [selection.subselections(name) for name in selection.fields]
        return await resolve_later(self.value, self.iterations)


class ErrorToRaise:
    """Stands for a value whose resolver raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error


async def resolve_later(value: Any, iterations: int) -> Any:
    """The value, or its error, after some iterations of the event loop."""
    for _ in range(iterations):
        await asyncio.sleep(0)
    return value_or_raise(value)


def value_or_raise(value: Any) -> Any:
    if isinstance(value, ErrorToRaise):
        raise value.error
    return value


# Items are created lazily: Python warns about coroutines that are never awaited, so unread items
# must not exist.


class PlainIterable:
    """An iterable that is not a sequence."""

    def __init__(self, items: Iterator[Any], end: Exception | None) -> None:
        self.items, self.end = items, end

    def __iter__(self) -> Iterator[Any]:
        return generator(self.items, self.end)


def generator(items: Iterator[Any], end: Exception | None) -> Iterator[Any]:
    yield from items
    if end:
        raise end


class AsyncIteratorWithoutClose:
    """An asynchronous iterator without `aclose`."""

    def __init__(self, items: Iterator[Any], end: Exception | None) -> None:
        self.items, self.end = items, end

    def __aiter__(self) -> AsyncIteratorWithoutClose:
        return self

    async def __anext__(self) -> Any:
        await asyncio.sleep(0)
        for item in self.items:
            return item
        raise self.end or StopAsyncIteration


async def async_generator(items: Iterator[Any], end: Exception | None) -> AsyncIterator[Any]:
    for item in items:
        await asyncio.sleep(0)
        yield item
    if end:
        raise end


class SourceObject:
    """The value of an object. Its fields are created by name when they are read."""

    def __init__(self, factory: ValueFactory, kind: str, path: tuple[Any, ...]) -> None:
        self.factory, self.kind, self.path = factory, kind, path

    def field(self, name: str) -> Any:
        kind = self.factory.schema.type_map.get(self.kind)
        if not isinstance(kind, GraphQLObjectType) or name not in kind.fields:
            return None
        self.factory.context.calls[(*self.path, f".{name}")] += 1
        return self.factory.field(kind.fields[name].type, (*self.path, name))


class AttributeSource(SourceObject):
    def __init__(self, factory: ValueFactory, kind: str, path: tuple[Any, ...]) -> None:
        super().__init__(factory, kind, path)
        self._AttributeSource__typename = kind if kind != "Dog" else None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.field(name)


class MethodSource(SourceObject):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda info, **arguments: self.field(name)


class MappingSource(SourceObject, Mapping[str, Any]):
    def __getitem__(self, name: str) -> Any:
        return self.kind if name == "__typename" else self.field(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class ValueFactory:
    """Creates the values of one schema in one context."""

    def __init__(self, schema: GraphQLSchema, context: SeededContext) -> None:
        self.schema, self.context = schema, context

    def field(self, kind: Any, path: tuple[Any, ...], *key: Any) -> Any:
        """The value that a resolver returns, or raises, at this path."""
        random = self.context.random(path, *key)
        value = self.value(kind, random, path)
        choice = random.randrange(12)
        if choice < 6:
            return value_or_raise(value)
        if choice < 9:
            return resolve_later(value, choice - 6)
        if choice == 9:
            return asyncio.ensure_future(resolve_later(value, 1))
        return DeferredValue(value, choice - 10)

    def value(self, kind: Any, random: Random, path: tuple[Any, ...]) -> Any:
        """A value of this type, usually a valid one. It may be an `ErrorToRaise`."""
        non_null = isinstance(kind, GraphQLNonNull)
        inner = kind.of_type if non_null else kind
        if self.context.is_faulty(random) and random.random() < 0.6:
            return self.invalid(random)
        if not non_null and random.random() < 0.08:
            return random.choice((None, None, Undefined))
        if isinstance(inner, GraphQLList):
            return self.list_of(inner.of_type, random, path)
        if is_leaf_type(inner):
            return self.leaf(inner.name, random)
        return self.source(inner, random, path)

    def invalid(self, random: Random) -> Any:
        error = random.choice(EXCEPTIONS)()
        return random.choice(
            (None, Undefined, error, ErrorToRaise(error), ErrorToRaise(error), 5, "text", {})
        )

    def leaf(self, name: str, random: Random) -> Any:
        return random.choice(INVALID[name] if self.context.is_faulty(random) else VALID[name])

    def list_of(self, kind: Any, random: Random, path: tuple[Any, ...]) -> Any:
        end = random.choice(EXCEPTIONS)() if self.context.is_faulty(random) else None
        end = None if isinstance(end, StopAsyncIteration) else end
        items = (
            self.item(kind, (*path, number)) for number in range(random.choice((0, 1, 2, 3, 4)))
        )
        wrap: Any = random.choice(
            (
                list,
                list,
                list,
                tuple,
                iter,
                PlainIterable,
                generator,
                async_generator,
                AsyncIteratorWithoutClose,
            )
        )
        return wrap(items) if wrap in {list, tuple, iter} else wrap(items, end)

    def item(self, kind: Any, path: tuple[Any, ...]) -> Any:
        random = self.context.random("item", path)
        value = self.value(kind, random, path)
        choice = random.randrange(16)
        if choice < 3:
            return resolve_later(value, choice)
        if choice == 3:
            return DeferredValue(value, 1)
        return value.error if isinstance(value, ErrorToRaise) else value

    def source(self, kind: Any, random: Random, path: tuple[Any, ...]) -> SourceObject:
        names = (
            [each.name for each in self.schema.get_possible_types(kind)]
            if is_abstract_type(kind)
            else [kind.name]
        )
        if self.context.is_faulty(random):
            names = ["Cat", "Dog", "Robot", "Ghost", "Node", "Nowhere", "Odd", "", "Box"]
        return random.choice((AttributeSource, MethodSource, MappingSource))(
            self, random.choice(names), path
        )
