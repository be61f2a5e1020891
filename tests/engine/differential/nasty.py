"""A graphql-core schema with everything that can go wrong in it.

Its types hold every kind of leaf and object in every wrapping. Half of the fields have resolvers, half are read by the
default resolver from attributes, entries or methods; those that begin with `edge` have batches. What they answer comes from
values.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

from graphql import (
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    Undefined,
    build_schema,
)

from engine.execution.deferred import Batch
from tests.engine.differential.scene import Scene
from tests.engine.differential.values import BLUE, Fetched, Maker, Size, later

LEAVES = ("Int", "Float", "String", "Boolean", "ID", "Odd", "Anything", "Colour", "Size")
OBJECTS = ("Box", "Cat", "Dog", "Node", "Being", "Thing")
WRAPPINGS = {
    "": "%s", "Must": "%s!", "List": "[%s]", "ListOfMust": "[%s!]", "MustList": "[%s]!", "MustListOfMust": "[%s!]!",
    "Lists": "[[%s]]", "MustLists": "[[%s!]!]!", "Deep": "[[[%s!]]!]",
}  # fmt: skip
FIELDS = {
    f"{prefix}{kind}{name}": form % kind
    for prefix in ("", "edge")
    for kind in (*LEAVES, *OBJECTS)
    for name, form in WRAPPINGS.items()
}
BEING = ("id: ID!", "name: String", "legs: Int!", "friend: Being", "friends(first: Int = 2): [Being!]", "kin: Node")
NODE = ("id: ID!", "name: String", "kin: Node")


def fields(salt: str, leaves: int, objects: int) -> str:
    """Some of all possible fields, others for each salt."""
    ordered = sorted(FIELDS, key=lambda name: crc32(f"{salt} {name}".encode()))
    of_leaves = [name for name in ordered if FIELDS[name].strip("[]!") in LEAVES][:leaves]
    of_objects = [name for name in ordered if FIELDS[name].strip("[]!") in OBJECTS][:objects]
    return "\n".join(f"{name[0].lower()}{name[1:]}: {FIELDS[name]}" for name in (*of_leaves, *of_objects))


SDL = f"""
    scalar Odd
    scalar Anything
    enum Colour {{ RED GREEN BLUE }}
    enum Size {{ SMALL LARGE }}
    input Filter {{
      colour: Colour = GREEN, tags: [String!] = ["a"], deep: Filter, matrix: [[Int]] = [[1, null], []]
      size: Size, must: Int!, usual: Float! = 1.5, odd: Odd, id: ID
    }}
    interface Node {{ {" ".join(NODE)} }}
    interface Being implements Node {{ {" ".join(BEING)} }}
    type Cat implements Being & Node {{ {" ".join(BEING)} {fields("Cat", 6, 3)} }}
    type Dog implements Being & Node {{ {" ".join(BEING)} {fields("Dog", 6, 3)} }}
    type Robot implements Node {{ {" ".join(NODE)} {fields("Robot", 6, 3)} }}
    type Ghost implements Node {{ {" ".join(NODE)} {fields("Ghost", 3, 1)} }}
    union Thing = Cat | Dog | Robot | Ghost
    type Box {{ {fields("Box", 14, 8)} tell(of: String = "all"): String  tellMust(of: String): String! {fields("More", 0, 0)} }}
    type Query {{
      {fields("Query", 10, 14)}
      box: Box  boxMust: Box!  boxes: [Box!]!
      tell(of: String = "all"): String
      numbers(int: Int = 3, must: Int! = 5, float: Float, flag: Boolean = false, ints: [Int!] = [1, 2]): String
      words(text: String, id: ID, colour: Colour = GREEN, size: Size, odd: Odd, anything: Anything): String
      required(must: Int!, colours: [Colour!]!): String!
      lists(matrix: [[Int]], colours: [Colour], texts: [String!]!  = ["x"], sizes: [[Size!]!]): [String!]
      filtered(filter: Filter, filters: [Filter!]): Box
      edgeFiltered(filter: Filter, must: Int! = 1): [Box]
    }}
    type Mutation {{ {fields("Mutation", 8, 8)} 
      step(turns: Int = 1): String  stepMust(turns: Int! = 1, fail: Boolean = false): String! }}
    type Subscription {{ {fields("Query", 10, 14)} tell(of: String = "all"): String }}
"""


def told(info: GraphQLResolveInfo[Any], arguments: dict[str, Any]) -> str:
    """Everything an info says."""
    node = info.operation
    return repr([
        info.field_name, str(info.return_type), info.parent_type.name, info.path.as_list(), info.path.typename,
        [node.loc and node.loc.start for node in info.field_nodes], node.operation, node.name and node.name.value,
        sorted(info.variable_values.coerced.items()), sorted(info.variable_values.sources), sorted(info.fragments),
        type(info.root_value).__name__, type(info.context).__name__, info.schema.query_type, arguments,
    ])  # fmt: skip


def place(info: GraphQLResolveInfo[Any]) -> tuple[Any, ...]:
    return tuple(info.path.as_list())


def answer(_source: Any, info: GraphQLResolveInfo[Scene], **arguments: Any) -> Any:
    info.context.calls[place(info)] += 1
    return Maker(info.schema, info.context).field(info.return_type, place(info), repr(arguments))


async def answer_later(source: Any, info: GraphQLResolveInfo[Scene], **arguments: Any) -> Any:
    value = answer(source, info, **arguments)
    return await value if hasattr(value, "__await__") else value


def tell(_source: Any, info: GraphQLResolveInfo[Scene], **arguments: Any) -> str:
    info.context.calls[place(info)] += 1
    return told(info, arguments)


async def step(_source: Any, info: GraphQLResolveInfo[Scene], turns: int | None = 1, fail: bool | None = False) -> Any:
    info.context.effects.append(f"begin {info.path.key}")
    await later(None, min(abs(turns or 0), 5))
    info.context.effects.append(f"end {info.path.key}")
    if fail:
        raise ValueError("the step failed")
    return f"step {len(info.context.effects)}"


def effect(source: Any, info: GraphQLResolveInfo[Scene], **arguments: Any) -> Any:
    info.context.effects.append(f"{info.path.key}")
    return answer(source, info, **arguments)


# Batches


def batch_for(name: str, field: GraphQLField, schema: GraphQLSchema) -> Batch:
    def one(scene: Scene, parent: Any, arguments: dict[str, Any]) -> Any:
        where = (*getattr(parent, "path", ()), name)
        maker, dice = Maker(schema, scene), scene.dice("edge", where, repr(arguments))
        value = maker.value(field.type, dice, where)
        return getattr(value, "error", value)

    def batch(scene: Scene, parents: Sequence[Any], **arguments: Any) -> Any:
        dice = scene.dice("batch", name, repr(arguments))
        if scene.wild(dice):
            return failing([None] * len(parents), dice.randrange(8))
        return delivered([one(scene, parent, arguments) for parent in parents], dice.randrange(5))

    return batch


def failing(values: list[Any], way: int) -> Any:
    error = [ValueError("the batch failed"), GraphQLError("the batch refused", extensions={"code": "NO"})][way % 2]
    if way < 2:
        raise error
    if way < 4:
        return broken(error)
    return later([values[1:], [*values, 1], None, 5][way - 4], way - 4)


async def broken(error: Exception) -> Any:
    raise error


def delivered(values: list[Any], way: int) -> Any:
    return Fetched(values, way) if way < 2 else later(values, way - 2)


def loaded(source: Any, info: GraphQLResolveInfo[Scene], **arguments: Any) -> Any:
    batch = batch_of(info.parent_type.fields[info.field_name])
    assert batch
    return info.context.load(batch, source, **arguments)


def batch_of(field: GraphQLField) -> Batch | None:
    found: Batch | None = (field.extensions or {}).get("batch")
    return found


# Types


def serialized(value: Any) -> Any:
    match value:
        case "raise":
            raise ValueError("the scalar failed")
        case "refuse":
            raise GraphQLError("the scalar refused", extensions={"code": "ODD"})
        case "null":
            return None
        case "undefined":
            return Undefined
    if value == 3:
        return {"odd": value}
    return value if isinstance(value, str | int | float) else type(value).__name__


def parsed(value: Any) -> Any:
    if value in (13, "13"):
        raise GraphQLError("Thirteen is not odd enough.")
    return ("parsed", value)


def kind_of(value: Any, _info: Any, _type: Any) -> Any:
    """A resolve_type: mostly a name, but what stands for Nowhere is no name, and for Robots it has to be awaited."""
    kind = getattr(value, "kind", "")
    if kind == "Robot":
        return later(kind, 1)
    return {"Nowhere": 5, "": None}.get(kind, kind)


def is_cat(value: Any, _info: Any) -> bool:
    return getattr(value, "kind", None) == "Cat"


async def is_dog(value: Any, _info: Any) -> bool:
    await later(None, 1)
    return getattr(value, "kind", None) == "Dog"


def is_ghost(value: Any, _info: Any) -> bool:
    if getattr(value, "kind", None) == "Ghost" and len(value.path) % 2:
        raise ValueError("nobody knows ghosts")
    return getattr(value, "kind", None) == "Ghost"


def nasty() -> GraphQLSchema:
    """The schema. Making it takes a while."""
    schema = build_schema(SDL)
    _leaves(schema)
    _types(schema)
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            for name, field in kind.fields.items():
                _resolver(schema, kind.name, name, field)
    return schema


def _leaves(schema: GraphQLSchema) -> None:
    odd: Any = schema.type_map["Odd"]
    odd.coerce_output_value, odd.coerce_input_value, odd.parse_value = serialized, parsed, parsed
    for name, values in {"Colour": ("r", 2, BLUE), "Size": tuple(Size)}.items():
        kind: Any = schema.type_map[name]
        for definition, value in zip(kind.values.values(), values, strict=True):
            definition.value = value


def _types(schema: GraphQLSchema) -> None:
    kinds: Any = schema.type_map
    kinds["Node"].resolve_type = kind_of
    kinds["Cat"].is_type_of, kinds["Dog"].is_type_of, kinds["Ghost"].is_type_of = is_cat, is_dog, is_ghost


OWN: dict[str, Any] = {
    "tell": tell,
    "tellMust": tell,
    "step": step,
    "stepMust": step,
    **dict.fromkeys(("numbers", "words", "required"), tell),
}


def _resolver(schema: GraphQLSchema, kind: str, name: str, field: GraphQLField) -> None:
    chance = crc32(f"{kind}.{name}".encode()) % 4
    if name in OWN:
        field.resolve = OWN[name]
    elif kind == "Mutation":
        field.resolve = effect
    elif name.startswith("edge"):
        field.extensions = {"batch": batch_for(name, field, schema)}
        field.resolve = loaded
    elif kind in {"Query", "Subscription"} or field.args or chance < 2:
        resolve: Any = answer_later if chance == 0 else answer
        field.resolve = resolve
