"""A small schema whose fields return the value that their argument names, for handwritten cases."""

# ruff: noqa: E501 - tables are most readable with one entry per line

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from graphql import GraphQLError, GraphQLField, GraphQLSchema, Undefined, build_schema

from engine import Batch
from tests.engine.differential.faulty_schema import describe, parsed, serialized, step
from tests.engine.differential.faulty_values import DeferredValue, ErrorLookalike, ErrorToRaise, delayed
from tests.engine.differential.seeded_context import SeededContext

LEAVES = """
  id: ID!  name: String  boom: Int  boomNonNull: Int!  nothing: Int!  later: Int!  laterBoom: Int!  returned: Int!
  deep: Item  deepNonNull: Item!  bad: Item  badNonNull: Item!  items: [Item]  itemsNonNull: [Item!]  itemsAll: [Item!]!
  describe(of: String = "all"): String  edge(value: String = "right"): Item  edgeNonNull(value: String = "right"): Item!
  edges(value: String = "right"): [Int!]  number(value: String = "right"): Int  named: Named  deferred(value: String): Item
"""
SDL = f"""
    enum Colour {{ RED GREEN }}
    scalar Odd
    input Options {{ required: Int!, withDefault: Int! = 3, tags: [String!] = ["a"], colour: Colour = GREEN, inner: Options, odd: Odd }}
    interface Named {{ name: String }}
    interface Tall implements Named {{ name: String  height: Float }}
    type Item implements Named {{ {LEAVES} }}
    type Tower implements Tall & Named {{ name: String  height: Float  boomNonNull: Int! }}
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
      step(turns: Int = 1): String  stepNonNull(turns: Int! = 1, fail: Boolean = false): String!  item: Item  boom: Int  boomNonNull: Int!
    }}
    type Subscription {{ event: Item  number: Int  describe: String  boomNonNull: Int! }}
"""


def boom() -> Any:
    raise ValueError("boom")


def refuse() -> Any:
    raise GraphQLError("refused", extensions={"code": "NO"})


async def later_boom() -> Any:
    await delayed(None, 2)
    boom()


def generated(*values: Any) -> Iterator[Any]:
    yield from values


async def streamed(*values: Any) -> AsyncIterator[Any]:
    for value in values:
        await asyncio.sleep(0)
        yield value.error if isinstance(value, ErrorToRaise) else value


def failing_midway() -> Iterator[Any]:
    yield 1
    boom()


async def streamed_badly() -> AsyncIterator[Any]:
    yield 1
    boom()


def item(number: int = 1) -> dict[str, Any]:
    return {
        "__typename": "Item", "id": number, "name": lambda _info: f"item {number}", "boom": lambda _info: boom(),
        "boomNonNull": lambda _info: boom(), "later": lambda _info: delayed(7, number), "laterBoom": lambda _info: later_boom(),
        "returned": ValueError("returned"), "deep": lambda _info: item(number + 1), "deepNonNull": lambda _info: delayed(item(number + 1), 1),
        "bad": lambda _info: boom(), "badNonNull": lambda _info: later_boom(), "items": lambda _info: [item(5), None, item(6)],
        "itemsNonNull": lambda _info: [item(5), None], "itemsAll": lambda _info: [item(5), delayed(item(6), 2)],
        "named": lambda _info: TOWER,
    }  # fmt: skip


TOWER = {"__typename": "Tower", "name": "tower", "height": 3, "boomNonNull": ValueError("the tower's")}
WALL = {"__typename": "Wall", "name": "wall", "length": 4, "sides": [TOWER, None, {"__typename": "Wall"}]}
NAN = float("nan")

NAMED_VALUES: dict[str, Callable[[], Any]] = {
    "right": lambda: 7, "null": lambda: None, "undefined": lambda: Undefined, "boom": boom, "refuse": refuse,
    "later": lambda: delayed(7, 2), "later boom": later_boom, "later null": lambda: delayed(None, 1),
    "deferred": lambda: DeferredValue(7, 1), "deferred null": lambda: DeferredValue(None, 0), "deferred boom": lambda: DeferredValue(ErrorToRaise(ErrorLookalike()), 1),
    "later deferred": lambda: delayed(DeferredValue(7, 1), 1), "returned": lambda: ValueError("returned"),
    "returned refusal": lambda: GraphQLError("refused", extensions={"code": "NO"}), "later returned": lambda: delayed(KeyError("k"), 1),
    "own path": lambda: GraphQLError("own path", path=["else", 1]), "lookalike": ErrorLookalike, "huge": lambda: 2**31, "least": lambda: -(2**31),
    "float": lambda: 7.0, "fraction": lambda: 7.5, "nan": lambda: NAN, "infinite": lambda: float("inf"), "true": lambda: True,
    "digits": lambda: "7", "text": lambda: "text", "empty": lambda: "", "bytes": lambda: b"7", "list": lambda: [7], "dict": lambda: {"a": 1},
    "three": lambda: 3, "raise": lambda: "raise", "none": lambda: "null", "void": lambda: "undefined", "red": lambda: "r", "name": lambda: "RED",
    "exit": lambda: StopIteration("stop"), "big float": lambda: 1e400, "negative zero": lambda: -0.0,
    # lists
    "numbers": lambda: [1, 2], "nulls": lambda: [1, None, 3], "tuple": lambda: (1, 2), "set": lambda: {1}, "generator": lambda: generated(1, None),
    "stream": lambda: streamed(1, 2), "stream of nulls": lambda: streamed(1, None), "stream of errors": lambda: streamed(ValueError("in"), 2),
    "midway": failing_midway, "stream midway": streamed_badly, "later list": lambda: delayed([1, 2], 1),
    "later stream": lambda: delayed(streamed(1, 2), 1), "deferred list": lambda: DeferredValue((1, 2), 1),
    "awaitables": lambda: [delayed(1, 3), 2, delayed(3, 1)], "awaited null": lambda: [1, delayed(None, 1)], "awaited boom": lambda: [later_boom(), 2, later_boom()],
    "returned in": lambda: [1, ValueError("in"), 3], "deferred in": lambda: [DeferredValue(1, 2), DeferredValue(None, 0)], "none at all": list,
    "range": lambda: range(3), "keys": lambda: {1: 2}.keys(), "wrong in": lambda: [1, "x", 2**40],
    "grid": lambda: [[1, 2], [], [3]], "holes": lambda: [[1, None], None, [3]], "not a grid": lambda: [1, [2]],
    "grid of all": lambda: (generated(1, delayed(2, 1)), delayed([3], 2), streamed(4)), "grid of errors": lambda: [[ValueError("in")], ValueError("row"), [1]],
    "later rows": lambda: [delayed([1, delayed(None, 1)], 1), later_boom()],
    "items": lambda: [item(1), item(2)], "items and nulls": lambda: [item(1), None, delayed(item(2), 1)], "items and errors": lambda: [item(1), ValueError("in")],
    "stream of items": lambda: streamed(item(1), item(2)), "itemGrid": lambda: [[item(1)], [item(2), delayed(item(3), 1)]], "itemGrid and nulls": lambda: [[item(1), None], None],
    # objects
    "item": lambda: item(1), "tower": lambda: TOWER, "wall": lambda: WALL, "later item": lambda: delayed(item(1), 1), "deferred item": lambda: DeferredValue(item(1), 1),
    "deferred nothing": lambda: DeferredValue(None, 1),
    "nowhere": lambda: {"__typename": "Nowhere"}, "colour": lambda: {"__typename": "Colour"}, "number": lambda: {"__typename": 5}, "untyped": dict,
    "query": lambda: {"__typename": "Query"}, "things": lambda: [item(1), TOWER, delayed(WALL, 1)], "mixed": lambda: [TOWER, {"__typename": "Nowhere"}, WALL],
}  # fmt: skip


def resolve_named(_source: Any, info: Any, value: str = "right", **_more: Any) -> Any:
    info.context.calls[tuple(info.path.as_list())] += 1
    return NAMED_VALUES[value]()


def batch(context: SeededContext, parents: Sequence[Any], value: str | None = "right") -> Any:
    size = len(parents)
    right = [item(10 + (parent or {}).get("id", 0)) for parent in parents]
    results: dict[Any, Callable[[], Any]] = {
        "right": lambda: delayed(right, 1), "deferred": lambda: DeferredValue(right, 1), "boom": boom, "later boom": later_boom,
        "refuse": refuse, "deferred boom": lambda: DeferredValue(ErrorToRaise(ValueError("boom")), 1), "few": lambda: delayed(right[1:], 1),
        "many": lambda: delayed([*right, 1], 1), "null": lambda: delayed(None, 1), "number": lambda: delayed(5, 0),
        "errors": lambda: delayed([ValueError("mine")] * size, 1), "nulls": lambda: delayed([None] * size, 1), "tuple": lambda: delayed(tuple(right), 1),
        "lists": lambda: delayed([[1, 2]] * size, 1), "bad lists": lambda: delayed([[1, None]] * size, 1), "leaves": lambda: delayed([5] * size, 1),
        "wrong leaves": lambda: delayed(["x"] * size, 1), "generator": lambda: delayed(generated(*right), 1),
    }  # fmt: skip
    return results[value]()


def load(source: Any, info: Any, **arguments: Any) -> Any:
    return info.context.load(batch, source, **arguments)


def batch_of(field: GraphQLField) -> Batch | None:
    return batch if field.resolve is load else None


BATCH_FIELDS = {"edge", "edgeNonNull", "edges", "number"}


def named_values_schema() -> GraphQLSchema:
    schema = build_schema(SDL)
    kinds: Any = schema.type_map
    kinds["Odd"].coerce_output_value, kinds["Odd"].coerce_input_value, kinds["Odd"].parse_value = serialized, parsed, parsed
    kinds["Colour"].values["RED"].value = "r"
    for name in ("Query", "Item"):
        for field, definition in kinds[name].fields.items():
            if field in BATCH_FIELDS:
                definition.resolve = load
            elif field in {"describe", "arguments"}:
                definition.resolve = describe
            elif "value" in definition.args:
                definition.resolve = resolve_named
            elif name == "Query":
                definition.resolve = lambda _source, info: of_item(info)
    for field, resolve in {"step": step, "stepNonNull": step, "item": lambda *_: item(1), "boom": lambda *_: boom()}.items():
        kinds["Mutation"].fields[field].resolve = resolve
    kinds["Mutation"].fields["boomNonNull"].resolve = lambda *_: later_boom()
    kinds["Subscription"].fields["describe"].resolve = describe
    return schema


def of_item(info: Any) -> Any:
    value = item(1).get(info.field_name)
    return value(info) if callable(value) else value
