"""A small schema whose every misbehaviour has a name, for handwritten cases."""

# ruff: noqa: E501 - tables read best with one entry a line

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from graphql import GraphQLError, GraphQLField, GraphQLSchema, Undefined, build_schema

from engine.execution.deferred import Batch
from tests.engine.differential.nasty import parsed, serialized, step, tell
from tests.engine.differential.scene import Scene
from tests.engine.differential.values import Fetched, Raised, Spiteful, later

LEAVES = """
  id: ID!  name: String  boom: Int  boomMust: Int!  nothing: Int!  later: Int!  laterBoom: Int!  returned: Int!
  deep: Item  deepMust: Item!  bad: Item  badMust: Item!  items: [Item]  itemsMust: [Item!]  itemsAll: [Item!]!
  tell(of: String = "all"): String  edge(way: String = "right"): Item  edgeMust(way: String = "right"): Item!
  edges(way: String = "right"): [Int!]  number(way: String = "right"): Int  named: Named  deferred(way: String): Item
"""
SDL = f"""
    enum Colour {{ RED GREEN }}
    scalar Odd
    input Wish {{ must: Int!, usual: Int! = 3, tags: [String!] = ["a"], colour: Colour = GREEN, inner: Wish, odd: Odd }}
    interface Named {{ name: String }}
    interface Tall implements Named {{ name: String  height: Float }}
    type Item implements Named {{ {LEAVES} }}
    type Tower implements Tall & Named {{ name: String  height: Float  boomMust: Int! }}
    type Wall implements Named {{ name: String  length: Int!  sides: [Tall] }}
    union Thing = Item | Tower | Wall
    type Query {{
      {LEAVES}
      leaf(way: String!): Int  leafMust(way: String!): Int!  float(way: String!): Float  text(way: String!): String
      flag(way: String!): Boolean  ident(way: String!): ID  odd(way: String!): Odd  colour(way: String!): Colour
      list(way: String!): [Int]  listMust(way: String!): [Int!]  objects(way: String!): [Item]
      grid(way: String!): [[Int]]  gridMust(way: String!): [[Int!]!]!  rooms(way: String!): [[Item!]!]
      thing(way: String!): Thing  things(way: String!): [Thing!]  tall(way: String!): Tall
      given(number: Int! = 5, wish: Wish, wishes: [Wish!], grid: [[Int]], colours: [Colour!] = [RED], odd: Odd, id: ID, float: Float): String
    }}
    type Mutation {{
      step(turns: Int = 1): String  stepMust(turns: Int! = 1, fail: Boolean = false): String!  item: Item  boom: Int  boomMust: Int!
    }}
    type Subscription {{ event: Item  number: Int  tell: String  boomMust: Int! }}
"""


def boom() -> Any:
    raise ValueError("boom")


def refuse() -> Any:
    raise GraphQLError("refused", extensions={"code": "NO"})


async def later_boom() -> Any:
    await later(None, 2)
    boom()


def generated(*values: Any) -> Iterator[Any]:
    yield from values


async def streamed(*values: Any) -> AsyncIterator[Any]:
    for value in values:
        await asyncio.sleep(0)
        yield value.error if isinstance(value, Raised) else value


def failing_midway() -> Iterator[Any]:
    yield 1
    boom()


async def streamed_badly() -> AsyncIterator[Any]:
    yield 1
    boom()


def item(number: int = 1) -> dict[str, Any]:
    return {
        "__typename": "Item", "id": number, "name": lambda _info: f"item {number}", "boom": lambda _info: boom(),
        "boomMust": lambda _info: boom(), "later": lambda _info: later(7, number), "laterBoom": lambda _info: later_boom(),
        "returned": ValueError("returned"), "deep": lambda _info: item(number + 1), "deepMust": lambda _info: later(item(number + 1), 1),
        "bad": lambda _info: boom(), "badMust": lambda _info: later_boom(), "items": lambda _info: [item(5), None, item(6)],
        "itemsMust": lambda _info: [item(5), None], "itemsAll": lambda _info: [item(5), later(item(6), 2)],
        "named": lambda _info: TOWER,
    }  # fmt: skip


TOWER = {"__typename": "Tower", "name": "tower", "height": 3, "boomMust": ValueError("the tower's")}
WALL = {"__typename": "Wall", "name": "wall", "length": 4, "sides": [TOWER, None, {"__typename": "Wall"}]}
NAN = float("nan")

WAYS: dict[str, Callable[[], Any]] = {
    "right": lambda: 7, "null": lambda: None, "undefined": lambda: Undefined, "boom": boom, "refuse": refuse,
    "later": lambda: later(7, 2), "later boom": later_boom, "later null": lambda: later(None, 1),
    "deferred": lambda: Fetched(7, 1), "deferred null": lambda: Fetched(None, 0), "deferred boom": lambda: Fetched(Raised(Spiteful()), 1),
    "later deferred": lambda: later(Fetched(7, 1), 1), "returned": lambda: ValueError("returned"),
    "returned refusal": lambda: GraphQLError("refused", extensions={"code": "NO"}), "later returned": lambda: later(KeyError("k"), 1),
    "placed": lambda: GraphQLError("placed", path=["else", 1]), "spite": Spiteful, "huge": lambda: 2**31, "least": lambda: -(2**31),
    "float": lambda: 7.0, "fraction": lambda: 7.5, "nan": lambda: NAN, "infinite": lambda: float("inf"), "true": lambda: True,
    "digits": lambda: "7", "text": lambda: "text", "empty": lambda: "", "bytes": lambda: b"7", "list": lambda: [7], "dict": lambda: {"a": 1},
    "three": lambda: 3, "raise": lambda: "raise", "none": lambda: "null", "void": lambda: "undefined", "red": lambda: "r", "name": lambda: "RED",
    "exit": lambda: StopIteration("stop"), "big float": lambda: 1e400, "negative zero": lambda: -0.0,
    # lists
    "numbers": lambda: [1, 2], "nulls": lambda: [1, None, 3], "tuple": lambda: (1, 2), "set": lambda: {1}, "generator": lambda: generated(1, None),
    "stream": lambda: streamed(1, 2), "stream of nulls": lambda: streamed(1, None), "stream of errors": lambda: streamed(ValueError("in"), 2),
    "midway": failing_midway, "stream midway": streamed_badly, "later list": lambda: later([1, 2], 1),
    "later stream": lambda: later(streamed(1, 2), 1), "deferred list": lambda: Fetched((1, 2), 1),
    "awaitables": lambda: [later(1, 3), 2, later(3, 1)], "awaited null": lambda: [1, later(None, 1)], "awaited boom": lambda: [later_boom(), 2, later_boom()],
    "returned in": lambda: [1, ValueError("in"), 3], "deferred in": lambda: [Fetched(1, 2), Fetched(None, 0)], "none at all": list,
    "range": lambda: range(3), "keys": lambda: {1: 2}.keys(), "wrong in": lambda: [1, "x", 2**40],
    "grid": lambda: [[1, 2], [], [3]], "holes": lambda: [[1, None], None, [3]], "not a grid": lambda: [1, [2]],
    "grid of all": lambda: (generated(1, later(2, 1)), later([3], 2), streamed(4)), "grid of errors": lambda: [[ValueError("in")], ValueError("row"), [1]],
    "later rows": lambda: [later([1, later(None, 1)], 1), later_boom()],
    "items": lambda: [item(1), item(2)], "items and nulls": lambda: [item(1), None, later(item(2), 1)], "items and errors": lambda: [item(1), ValueError("in")],
    "stream of items": lambda: streamed(item(1), item(2)), "rooms": lambda: [[item(1)], [item(2), later(item(3), 1)]], "rooms and nulls": lambda: [[item(1), None], None],
    # objects
    "item": lambda: item(1), "tower": lambda: TOWER, "wall": lambda: WALL, "later item": lambda: later(item(1), 1), "deferred item": lambda: Fetched(item(1), 1),
    "deferred nothing": lambda: Fetched(None, 1),
    "nowhere": lambda: {"__typename": "Nowhere"}, "colour": lambda: {"__typename": "Colour"}, "number": lambda: {"__typename": 5}, "untyped": dict,
    "query": lambda: {"__typename": "Query"}, "things": lambda: [item(1), TOWER, later(WALL, 1)], "mixed": lambda: [TOWER, {"__typename": "Nowhere"}, WALL],
}  # fmt: skip


def by_way(_source: Any, info: Any, way: str = "right", **_more: Any) -> Any:
    info.context.calls[tuple(info.path.as_list())] += 1
    return WAYS[way]()


def batch(scene: Scene, parents: Sequence[Any], way: str | None = "right") -> Any:
    size = len(parents)
    right = [item(10 + (parent or {}).get("id", 0)) for parent in parents]
    ways: dict[Any, Callable[[], Any]] = {
        "right": lambda: later(right, 1), "deferred": lambda: Fetched(right, 1), "boom": boom, "later boom": later_boom,
        "refuse": refuse, "deferred boom": lambda: Fetched(Raised(ValueError("boom")), 1), "few": lambda: later(right[1:], 1),
        "many": lambda: later([*right, 1], 1), "null": lambda: later(None, 1), "number": lambda: later(5, 0),
        "errors": lambda: later([ValueError("mine")] * size, 1), "nulls": lambda: later([None] * size, 1), "tuple": lambda: later(tuple(right), 1),
        "lists": lambda: later([[1, 2]] * size, 1), "bad lists": lambda: later([[1, None]] * size, 1), "leaves": lambda: later([5] * size, 1),
        "wrong leaves": lambda: later(["x"] * size, 1), "generator": lambda: later(generated(*right), 1),
    }  # fmt: skip
    return ways[way]()


def loaded(source: Any, info: Any, **arguments: Any) -> Any:
    return info.context.load(batch, source, **arguments)


def batch_of(field: GraphQLField) -> Batch | None:
    return batch if field.resolve is loaded else None


BATCHED = {"edge", "edgeMust", "edges", "number"}


def handmade() -> GraphQLSchema:
    schema = build_schema(SDL)
    kinds: Any = schema.type_map
    kinds["Odd"].coerce_output_value, kinds["Odd"].coerce_input_value, kinds["Odd"].parse_value = serialized, parsed, parsed
    kinds["Colour"].values["RED"].value = "r"
    for name in ("Query", "Item"):
        for field, definition in kinds[name].fields.items():
            if field in BATCHED:
                definition.resolve = loaded
            elif field in {"tell", "given"}:
                definition.resolve = tell
            elif "way" in definition.args:
                definition.resolve = by_way
            elif name == "Query":
                definition.resolve = lambda _source, info: of_item(info)
    for field, resolve in {"step": step, "stepMust": step, "item": lambda *_: item(1), "boom": lambda *_: boom()}.items():
        kinds["Mutation"].fields[field].resolve = resolve
    kinds["Mutation"].fields["boomMust"].resolve = lambda *_: later_boom()
    kinds["Subscription"].fields["tell"].resolve = tell
    return schema


def of_item(info: Any) -> Any:
    value = item(1).get(info.field_name)
    return value(info) if callable(value) else value
