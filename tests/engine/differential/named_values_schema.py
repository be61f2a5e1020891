"""A small schema whose fields return the value that their argument names, for handwritten cases."""

# ruff: noqa: E501 - tables are most readable with one entry per line

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from graphql import GraphQLError, GraphQLField, GraphQLSchema, Undefined, build_schema

from engine import Batch
from tests.engine.differential.faulty_schema import describe, parse_value, serialize, step
from tests.engine.differential.faulty_values import (
    DeferredValue,
    ErrorLookalike,
    ErrorToRaise,
    resolve_later,
)
from tests.engine.differential.seeded_context import SeededContext

LEAVES = """
  id: ID!  name: String  fails: Int  failsNonNull: Int!  missing: Int!  later: Int!  failsLater: Int!  returned: Int!
  deep: Item  deepNonNull: Item!  failingObject: Item  failingObjectNonNull: Item!  items: [Item]  itemsNonNull: [Item!]  itemsAll: [Item!]!
  describe(of: String = "all"): String  edge(value: String = "valid"): Item  edgeNonNull(value: String = "valid"): Item!
  edges(value: String = "valid"): [Int!]  number(value: String = "valid"): Int  named: Named  deferred(value: String): Item
"""
SDL = f"""
    enum Colour {{ RED GREEN }}
    scalar Odd
    input Options {{ required: Int!, withDefault: Int! = 3, tags: [String!] = ["a"], colour: Colour = GREEN, inner: Options, odd: Odd }}
    interface Named {{ name: String }}
    interface Tall implements Named {{ name: String  height: Float }}
    type Item implements Named {{ {LEAVES} }}
    type Tower implements Tall & Named {{ name: String  height: Float  failsNonNull: Int! }}
    type Wall implements Named {{ name: String  length: Int!  sides: [Tall] }}
    union Thing = Item | Tower | Wall
    type Query {{
      {LEAVES}
      leaf(value: String!): Int  leafNonNull(value: String!): Int!  float(value: String!): Float  text(value: String!): String
      flag(value: String!): Boolean  identifier(value: String!): ID  odd(value: String!): Odd  colour(value: String!): Colour
      list(value: String!): [Int]  listNonNull(value: String!): [Int!]  objects(value: String!): [Item]
      grid(value: String!): [[Int]]  gridNonNull(value: String!): [[Int!]!]!  itemGrid(value: String!): [[Item!]!]
      thing(value: String!): Thing  things(value: String!): [Thing!]  tall(value: String!): Tall
      arguments(number: Int! = 5, options: Options, optionsList: [Options!], grid: [[Int]], colours: [Colour!] = [RED], odd: Odd, id: ID, float: Float): String
    }}
    type Mutation {{
      step(iterations: Int = 1): String  stepNonNull(iterations: Int! = 1, fail: Boolean = false): String!  item: Item  fails: Int  failsNonNull: Int!
    }}
    type Subscription {{ event: Item  number: Int  describe: String  failsNonNull: Int! }}
"""


def fail() -> Any:
    raise ValueError("failed")


def deny() -> Any:
    raise GraphQLError("refused", extensions={"code": "NO"})


async def fail_later() -> Any:
    await resolve_later(None, 2)
    fail()


def generator(*values: Any) -> Iterator[Any]:
    yield from values


async def stream(*values: Any) -> AsyncIterator[Any]:
    for value in values:
        await asyncio.sleep(0)
        yield value.error if isinstance(value, ErrorToRaise) else value


def failing_midway() -> Iterator[Any]:
    yield 1
    fail()


async def stream_failing_midway() -> AsyncIterator[Any]:
    yield 1
    fail()


def item(number: int = 1) -> dict[str, Any]:
    return {
        "__typename": "Item",
        "id": number,
        "name": lambda _info: f"item {number}",
        "fails": lambda _info: fail(),
        "failsNonNull": lambda _info: fail(),
        "later": lambda _info: resolve_later(7, number),
        "failsLater": lambda _info: fail_later(),
        "returned": ValueError("returned"),
        "deep": lambda _info: item(number + 1),
        "deepNonNull": lambda _info: resolve_later(item(number + 1), 1),
        "failingObject": lambda _info: fail(),
        "failingObjectNonNull": lambda _info: fail_later(),
        "items": lambda _info: [item(5), None, item(6)],
        "itemsNonNull": lambda _info: [item(5), None],
        "itemsAll": lambda _info: [item(5), resolve_later(item(6), 2)],
        "named": lambda _info: TOWER_VALUE,
    }


TOWER_VALUE = {
    "__typename": "Tower",
    "name": "tower",
    "height": 3,
    "failsNonNull": ValueError("failed"),
}
WALL_VALUE = {
    "__typename": "Wall",
    "name": "wall",
    "length": 4,
    "sides": [TOWER_VALUE, None, {"__typename": "Wall"}],
}
NAN = float("nan")

NAMED_VALUES: dict[str, Callable[[], Any]] = {
    "valid": lambda: 7,
    "null": lambda: None,
    "undefined": lambda: Undefined,
    "raised error": fail,
    "raised GraphQLError": deny,
    "later": lambda: resolve_later(7, 2),
    "later error": fail_later,
    "later null": lambda: resolve_later(None, 1),
    "deferred": lambda: DeferredValue(7, 1),
    "deferred null": lambda: DeferredValue(None, 0),
    "deferred error": lambda: DeferredValue(ErrorToRaise(ErrorLookalike()), 1),
    "later deferred": lambda: resolve_later(DeferredValue(7, 1), 1),
    "returned": lambda: ValueError("returned"),
    "returned GraphQLError": lambda: GraphQLError("refused", extensions={"code": "NO"}),
    "later returned": lambda: resolve_later(KeyError("k"), 1),
    "own path": lambda: GraphQLError("own path", path=["else", 1]),
    "lookalike": ErrorLookalike,
    "huge": lambda: 2**31,
    "least": lambda: -(2**31),
    "float": lambda: 7.0,
    "fraction": lambda: 7.5,
    "nan": lambda: NAN,
    "infinite": lambda: float("inf"),
    "true": lambda: True,
    "digits": lambda: "7",
    "text": lambda: "text",
    "empty": lambda: "",
    "bytes": lambda: b"7",
    "list": lambda: [7],
    "dict": lambda: {"a": 1},
    "three": lambda: 3,
    "raise": lambda: "raise",
    "coerced to null": lambda: "null",
    "coerced to undefined": lambda: "undefined",
    "red": lambda: "r",
    "name": lambda: "RED",
    "StopIteration": lambda: StopIteration("stop"),
    "big float": lambda: 1e400,
    "negative zero": lambda: -0.0,
    # lists
    "numbers": lambda: [1, 2],
    "nulls": lambda: [1, None, 3],
    "tuple": lambda: (1, 2),
    "set": lambda: {1},
    "generator": lambda: generator(1, None),
    "stream": lambda: stream(1, 2),
    "stream of nulls": lambda: stream(1, None),
    "stream of errors": lambda: stream(ValueError("in"), 2),
    "error midway": failing_midway,
    "stream with error midway": stream_failing_midway,
    "later list": lambda: resolve_later([1, 2], 1),
    "later stream": lambda: resolve_later(stream(1, 2), 1),
    "deferred list": lambda: DeferredValue((1, 2), 1),
    "awaitables": lambda: [resolve_later(1, 3), 2, resolve_later(3, 1)],
    "awaited null": lambda: [1, resolve_later(None, 1)],
    "awaited errors": lambda: [fail_later(), 2, fail_later()],
    "error as item": lambda: [1, ValueError("in"), 3],
    "deferred items": lambda: [DeferredValue(1, 2), DeferredValue(None, 0)],
    "empty list": list,
    "range": lambda: range(3),
    "keys": lambda: {1: 2}.keys(),
    "invalid items": lambda: [1, "x", 2**40],
    "grid": lambda: [[1, 2], [], [3]],
    "grid with nulls": lambda: [[1, None], None, [3]],
    "not a grid": lambda: [1, [2]],
    "grid of all": lambda: (generator(1, resolve_later(2, 1)), resolve_later([3], 2), stream(4)),
    "grid of errors": lambda: [[ValueError("in")], ValueError("row"), [1]],
    "later rows": lambda: [resolve_later([1, resolve_later(None, 1)], 1), fail_later()],
    "items": lambda: [item(1), item(2)],
    "items and nulls": lambda: [item(1), None, resolve_later(item(2), 1)],
    "items and errors": lambda: [item(1), ValueError("in")],
    "stream of items": lambda: stream(item(1), item(2)),
    "itemGrid": lambda: [[item(1)], [item(2), resolve_later(item(3), 1)]],
    "itemGrid and nulls": lambda: [[item(1), None], None],
    # objects
    "item": lambda: item(1),
    "tower": lambda: TOWER_VALUE,
    "wall": lambda: WALL_VALUE,
    "later item": lambda: resolve_later(item(1), 1),
    "deferred item": lambda: DeferredValue(item(1), 1),
    "deferred null object": lambda: DeferredValue(None, 1),
    "unknown type": lambda: {"__typename": "Nowhere"},
    "colour": lambda: {"__typename": "Colour"},
    "number": lambda: {"__typename": 5},
    "untyped": dict,
    "query": lambda: {"__typename": "Query"},
    "mixed types": lambda: [item(1), TOWER_VALUE, resolve_later(WALL_VALUE, 1)],
    "mixed types with errors": lambda: [TOWER_VALUE, {"__typename": "Nowhere"}, WALL_VALUE],
}


def resolve_named(_source: Any, info: Any, value: str = "valid", **_others: Any) -> Any:
    info.context.calls[tuple(info.path.as_list())] += 1
    return NAMED_VALUES[value]()


def batch(context: SeededContext, parents: Sequence[Any], value: str | None = "valid") -> Any:
    size = len(parents)
    valid = [item(10 + (parent or {}).get("id", 0)) for parent in parents]
    results: dict[Any, Callable[[], Any]] = {
        "valid": lambda: resolve_later(valid, 1),
        "deferred": lambda: DeferredValue(valid, 1),
        "raised error": fail,
        "later error": fail_later,
        "raised GraphQLError": deny,
        "deferred error": lambda: DeferredValue(ErrorToRaise(ValueError("failed")), 1),
        "too few": lambda: resolve_later(valid[1:], 1),
        "too many": lambda: resolve_later([*valid, 1], 1),
        "null": lambda: resolve_later(None, 1),
        "number": lambda: resolve_later(5, 0),
        "errors": lambda: resolve_later([ValueError("failed")] * size, 1),
        "nulls": lambda: resolve_later([None] * size, 1),
        "tuple": lambda: resolve_later(tuple(valid), 1),
        "lists": lambda: resolve_later([[1, 2]] * size, 1),
        "invalid lists": lambda: resolve_later([[1, None]] * size, 1),
        "leaves": lambda: resolve_later([5] * size, 1),
        "invalid leaves": lambda: resolve_later(["x"] * size, 1),
        "generator": lambda: resolve_later(generator(*valid), 1),
    }
    return results[value]()


def load(source: Any, info: Any, **arguments: Any) -> Any:
    return info.context.load(batch, source, **arguments)


def batch_of(field: GraphQLField) -> Batch | None:
    return batch if field.resolve is load else None


BATCH_FIELDS = {"edge", "edgeNonNull", "edges", "number"}


def named_values_schema() -> GraphQLSchema:
    """Create the schema."""
    schema = build_schema(SDL)
    types: Any = schema.type_map
    types["Odd"].coerce_output_value = serialize
    types["Odd"].coerce_input_value = parse_value
    types["Odd"].parse_value = parse_value
    types["Colour"].values["RED"].value = "r"
    for name in ("Query", "Item"):
        for field, definition in types[name].fields.items():
            if field in BATCH_FIELDS:
                definition.resolve = load
            elif field in {"describe", "arguments"}:
                definition.resolve = describe
            elif "value" in definition.args:
                definition.resolve = resolve_named
            elif name == "Query":
                definition.resolve = lambda _source, info: item_field(info)
    for field, resolve in {
        "step": step,
        "stepNonNull": step,
        "item": lambda *_: item(1),
        "fails": lambda *_: fail(),
    }.items():
        types["Mutation"].fields[field].resolve = resolve
    types["Mutation"].fields["failsNonNull"].resolve = lambda *_: fail_later()
    types["Subscription"].fields["describe"].resolve = describe
    return schema


def item_field(info: Any) -> Any:
    """The field of the first item, for the fields of Query that are the same as those of Item."""
    value = item(1).get(info.field_name)
    return value(info) if callable(value) else value
