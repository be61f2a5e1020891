"""A graphql-core schema in which everything can go wrong.

Its types have fields of every kind of leaf and object in every wrapping type. Half of the fields
have resolvers. The default resolver reads the other half from attributes, mapping entries or
methods. Fields that begin with `edge` have batches. All values come from faulty_values.py.
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

from engine import Batch
from tests.engine.differential.faulty_values import (
    BLUE,
    DeferredValue,
    Size,
    ValueFactory,
    resolve_later,
)
from tests.engine.differential.seeded_context import SeededContext

LEAVES = ("Int", "Float", "String", "Boolean", "ID", "Odd", "Anything", "Colour", "Size")
OBJECTS = ("Box", "Cat", "Dog", "Node", "Being", "Thing")
WRAPPINGS = {
    "": "%s",
    "NonNull": "%s!",
    "List": "[%s]",
    "ListOfNonNull": "[%s!]",
    "NonNullList": "[%s]!",
    "NonNullListOfNonNull": "[%s!]!",
    "Lists": "[[%s]]",
    "NonNullLists": "[[%s!]!]!",
    "Deep": "[[[%s!]]!]",
}
FIELDS = {
    f"{prefix}{kind}{name}": form % kind
    for prefix in ("", "edge")
    for kind in (*LEAVES, *OBJECTS)
    for name, form in WRAPPINGS.items()
}
CREATURE_FIELDS = (
    "id: ID!",
    "name: String",
    "legs: Int!",
    "friend: Being",
    "friends(first: Int = 2): [Being!]",
    "kin: Node",
)
NODE_FIELDS = ("id: ID!", "name: String", "kin: Node")


def fields(seed: str, leaves: int, objects: int) -> str:
    """A selection of all possible fields, different for each seed."""
    shuffled_names = sorted(FIELDS, key=lambda name: crc32(f"{seed} {name}".encode()))
    leaf_fields = [name for name in shuffled_names if FIELDS[name].strip("[]!") in LEAVES][:leaves]
    object_fields = [name for name in shuffled_names if FIELDS[name].strip("[]!") in OBJECTS][
        :objects
    ]
    return "\n".join(
        f"{name[0].lower()}{name[1:]}: {FIELDS[name]}" for name in (*leaf_fields, *object_fields)
    )


SDL = f"""
    scalar Odd
    scalar Anything
    enum Colour {{ RED GREEN BLUE }}
    enum Size {{ SMALL LARGE }}
    input Filter {{
      colour: Colour = GREEN, tags: [String!] = ["a"], deep: Filter,
      matrix: [[Int]] = [[1, null], []]
      size: Size, must: Int!, usual: Float! = 1.5, odd: Odd, id: ID
    }}
    interface Node {{ {" ".join(NODE_FIELDS)} }}
    interface Being implements Node {{ {" ".join(CREATURE_FIELDS)} }}
    type Cat implements Being & Node {{ {" ".join(CREATURE_FIELDS)} {fields("Cat", 6, 3)} }}
    type Dog implements Being & Node {{ {" ".join(CREATURE_FIELDS)} {fields("Dog", 6, 3)} }}
    type Robot implements Node {{ {" ".join(NODE_FIELDS)} {fields("Robot", 6, 3)} }}
    type Ghost implements Node {{ {" ".join(NODE_FIELDS)} {fields("Ghost", 3, 1)} }}
    union Thing = Cat | Dog | Robot | Ghost
    type Box {{ {fields("Box", 14, 8)}
    describe(of: String = "all"): String  describeNonNull(of: String): String! }}
    type Query {{
      {fields("Query", 10, 14)}
      box: Box  boxNonNull: Box!  boxes: [Box!]!
      describe(of: String = "all"): String
      numbers(int: Int = 3, must: Int! = 5, float: Float, flag: Boolean = false, ints: [Int!] = [1,
      2]): String
      words(text: String, id: ID, colour: Colour = GREEN, size: Size, odd: Odd,
      anything: Anything): String
      required(must: Int!, colours: [Colour!]!): String!
      lists(matrix: [[Int]], colours: [Colour], texts: [String!]!  = ["x"],
      sizes: [[Size!]!]): [String!]
      filtered(filter: Filter, filters: [Filter!]): Box
      edgeFiltered(filter: Filter, must: Int! = 1): [Box]
    }}
    type Mutation {{ {fields("Mutation", 8, 8)} 
      step(iterations: Int = 1): String
      stepNonNull(iterations: Int! = 1, fail: Boolean = false): String! }}
    type Subscription {{ {fields("Query", 10, 14)} describe(of: String = "all"): String }}
"""


def info_text(info: GraphQLResolveInfo[Any], arguments: dict[str, Any]) -> str:
    """Everything in an info, as text."""
    node = info.operation
    return repr(
        [
            info.field_name,
            str(info.return_type),
            info.parent_type.name,
            info.path.as_list(),
            info.path.typename,
            [node.loc and node.loc.start for node in info.field_nodes],
            node.operation,
            node.name and node.name.value,
            sorted(info.variable_values.coerced.items()),
            sorted(info.variable_values.sources),
            sorted(info.fragments),
            type(info.root_value).__name__,
            type(info.context).__name__,
            info.schema.query_type,
            arguments,
        ]
    )


def path_of(info: GraphQLResolveInfo[Any]) -> tuple[Any, ...]:
    return tuple(info.path.as_list())


def resolve(_source: Any, info: GraphQLResolveInfo[SeededContext], **arguments: Any) -> Any:
    info.context.calls[path_of(info)] += 1
    return ValueFactory(info.schema, info.context).field(
        info.return_type, path_of(info), repr(arguments)
    )


async def resolve_async(
    source: Any, info: GraphQLResolveInfo[SeededContext], **arguments: Any
) -> Any:
    value = resolve(source, info, **arguments)
    return await value if hasattr(value, "__await__") else value


def describe(_source: Any, info: GraphQLResolveInfo[SeededContext], **arguments: Any) -> str:
    info.context.calls[path_of(info)] += 1
    return info_text(info, arguments)


async def step(
    _source: Any,
    info: GraphQLResolveInfo[SeededContext],
    iterations: int | None = 1,
    fail: bool | None = False,
) -> Any:
    info.context.effects.append(f"begin {info.path.key}")
    await resolve_later(None, min(abs(iterations or 0), 5))
    info.context.effects.append(f"end {info.path.key}")
    if fail:
        raise ValueError("the step failed")
    return f"step {len(info.context.effects)}"


def resolve_with_effect(
    source: Any, info: GraphQLResolveInfo[SeededContext], **arguments: Any
) -> Any:
    info.context.effects.append(f"{info.path.key}")
    return resolve(source, info, **arguments)


# Batches


def batch_for(name: str, field: GraphQLField, schema: GraphQLSchema) -> Batch:
    def value_for(context: SeededContext, parent: Any, arguments: dict[str, Any]) -> Any:
        path = (*getattr(parent, "path", ()), name)
        factory = ValueFactory(schema, context)
        random = context.random("edge", path, repr(arguments))
        value = factory.value(field.type, random, path)
        return getattr(value, "error", value)

    def batch(context: SeededContext, parents: Sequence[Any], **arguments: Any) -> Any:
        random = context.random("batch", name, repr(arguments))
        if context.is_faulty(random):
            return failed_batch([None] * len(parents), random.randrange(8))
        return batch_result(
            [value_for(context, parent, arguments) for parent in parents], random.randrange(5)
        )

    return batch


def failed_batch(values: list[Any], choice: int) -> Any:
    error = [
        ValueError("the batch failed"),
        GraphQLError("the batch refused", extensions={"code": "NO"}),
    ][choice % 2]
    if choice < 2:
        raise error
    if choice < 4:
        return raise_later(error)
    return resolve_later([values[1:], [*values, 1], None, 5][choice - 4], choice - 4)


async def raise_later(error: Exception) -> Any:
    raise error


def batch_result(values: list[Any], choice: int) -> Any:
    return DeferredValue(values, choice) if choice < 2 else resolve_later(values, choice - 2)


def load(source: Any, info: GraphQLResolveInfo[SeededContext], **arguments: Any) -> Any:
    batch = batch_of(info.parent_type.fields[info.field_name])
    assert batch
    return info.context.load(batch, source, **arguments)


def batch_of(field: GraphQLField) -> Batch | None:
    batch: Batch | None = (field.extensions or {}).get("batch")
    return batch


# Types


def serialize(value: Any) -> Any:
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


def parse_value(value: Any) -> Any:
    if value in (13, "13"):
        raise GraphQLError("13 is not allowed.")
    return ("parsed", value)


def resolve_type(value: Any, _info: Any, _type: Any) -> Any:
    """A `resolve_type`: returns names, except for Nowhere (a number), and awaitables for robots."""
    kind = getattr(value, "kind", "")
    if kind == "Robot":
        return resolve_later(kind, 1)
    return {"Nowhere": 5, "": None}.get(kind, kind)


def is_cat(value: Any, _info: Any) -> bool:
    return getattr(value, "kind", None) == "Cat"


async def is_dog(value: Any, _info: Any) -> bool:
    await resolve_later(None, 1)
    return getattr(value, "kind", None) == "Dog"


def is_ghost(value: Any, _info: Any) -> bool:
    if getattr(value, "kind", None) == "Ghost" and len(value.path) % 2:
        raise ValueError("the predicate failed")
    return getattr(value, "kind", None) == "Ghost"


def faulty_schema() -> GraphQLSchema:
    """Create the schema, which takes a while."""
    schema = build_schema(SDL)
    _leaves(schema)
    _types(schema)
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            for name, field in kind.fields.items():
                _resolver(schema, kind.name, name, field)
    return schema


def _leaves(schema: GraphQLSchema) -> None:
    named_scalar: Any = schema.type_map["Odd"]
    named_scalar.coerce_output_value, named_scalar.coerce_input_value, named_scalar.parse_value = (
        serialize,
        parse_value,
        parse_value,
    )
    for name, values in {"Colour": ("r", 2, BLUE), "Size": tuple(Size)}.items():
        kind: Any = schema.type_map[name]
        for definition, value in zip(kind.values.values(), values, strict=True):
            definition.value = value


def _types(schema: GraphQLSchema) -> None:
    types: Any = schema.type_map
    types["Node"].resolve_type = resolve_type
    types["Cat"].is_type_of = is_cat
    types["Dog"].is_type_of = is_dog
    types["Ghost"].is_type_of = is_ghost


RESOLVERS: dict[str, Any] = {
    "describe": describe,
    "describeNonNull": describe,
    "step": step,
    "stepNonNull": step,
    **dict.fromkeys(("numbers", "words", "required"), describe),
}


def _resolver(schema: GraphQLSchema, kind: str, name: str, field: GraphQLField) -> None:
    number = crc32(f"{kind}.{name}".encode()) % 4
    if name in RESOLVERS:
        field.resolve = RESOLVERS[name]
    elif kind == "Mutation":
        field.resolve = resolve_with_effect
    elif name.startswith("edge"):
        field.extensions = {"batch": batch_for(name, field, schema)}
        field.resolve = load
    elif kind in {"Query", "Subscription"} or field.args or number < 2:
        field.resolve = resolve_async if number == 0 else resolve
