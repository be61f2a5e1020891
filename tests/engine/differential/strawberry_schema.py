"""A Strawberry schema with everything that Strawberry does around resolvers: arguments converted to
Python objects, parents and infos passed in every way, permissions and extensions, rows returned
instead of instances of its types.
"""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, NewType

import strawberry
from graphql import GraphQLField, GraphQLSchema
from strawberry import relay
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission, PermissionExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types.field import StrawberryField

from engine import Batch
from tests.engine.differential.faulty_values import EXCEPTIONS, DeferredValue, resolve_later
from tests.engine.differential.seeded_context import SeededContext

Info = strawberry.Info[SeededContext, Any]


@strawberry.enum
class Taste(Enum):
    SWEET = "sw"
    SOUR = strawberry.enum_value(2, name="ACID")
    BITTER = (1, 2)


@strawberry.enum
class Grade(Enum):
    A = 1
    B = 2


def _sugar(value: Any) -> Any:
    if value == "3":
        raise ValueError("3 is not allowed")
    return ("sugar", value)


Sugar = NewType("Sugar", object)
CONFIG = StrawberryConfig(
    scalar_map={
        Sugar: strawberry.scalar(
            name="Sugar", serialize=lambda value: _sugar(value)[1], parse_value=_sugar
        )
    }
)


@strawberry.input
class Options:
    taste: Taste = Taste.SOUR
    grades: list[Grade] | None = None
    sugar: Sugar | None = strawberry.UNSET
    inner: "Options | None" = strawberry.UNSET
    renamed: int = strawberry.field(default=3, name="otherName")
    maybe: strawberry.Maybe[int | None]

    def __post_init__(self) -> None:
        if self.renamed == 13:
            raise ValueError("13 is not allowed")


@strawberry.input(one_of=True)
class OneOf:
    number: int | None = strawberry.UNSET
    text: str | None = strawberry.UNSET


@dataclass
class Row:
    """Returned instead of a Berry or a Leaf. Some of its attributes are missing or invalid."""

    path: tuple[Any, ...]
    kind: str
    context: SeededContext

    def __await__(self) -> Any:
        raise AssertionError("a row was awaited")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "missing":
            raise AttributeError(f"no {name}")
        return choose_value(self.context, (*self.path, f".{name}"), self.valid(name))

    def valid(self, name: str) -> Callable[[], Any]:
        """A function that creates a valid value of this attribute."""
        return {
            "weight": lambda: 1.5,
            "number": lambda: 7,
            "sweet_name": lambda: "sweet",
            "taste": lambda: Taste.SOUR,
            "tastes": lambda: [Taste.SWEET, None, Taste.BITTER],
            "sugar": lambda: 4,
            "required": lambda: "required",
            "leaf": lambda: Row((*self.path, "leaf"), "Leaf", self.context),
            "leaves": lambda: [
                Row((*self.path, "leaves", n), "Leaf", self.context) for n in range(2)
            ],
        }[name]


def choose_value(context: SeededContext, path: tuple[Any, ...], valid: Callable[[], Any]) -> Any:
    """A valid or an invalid value, now, later, or deferred."""
    context.calls[path] += 1
    random = context.random(path)
    if context.is_faulty(random):
        invalid = random.choice((*(create() for create in EXCEPTIONS), None, 5, "text"))
        if isinstance(invalid, Exception) and random.random() < 0.5:
            raise invalid
        return invalid
    match random.randrange(4):
        case 0:
            return resolve_later(valid(), 1)
        case 1:
            return DeferredValue(valid(), 1)
    return valid()


def resolve(info: Info, valid: Callable[[], Any]) -> Any:
    """The value of a resolver with this info."""
    return choose_value(info.context, tuple(info.path.as_list()), valid)


def info_text(info: Info, *arguments: Any) -> str:
    """Everything in an info, and the arguments, as text."""
    return repr(
        [
            info.field_name,
            info.python_name,
            info.path.as_list(),
            str(info.return_type),
            sorted(info.variable_values.items()),
            info.operation.operation,
            info.root_value is None,
            info._raw_info.parent_type.name,
            len(info.selected_fields),
            arguments,
        ]
    )


def accept_rows(kind: str) -> Any:
    """An `is_type_of` that accepts instances of the type, and rows of this kind."""
    return classmethod(
        lambda cls, row, _info: isinstance(row, cls) or getattr(row, "kind", None) == kind
    )


# Permissions and extensions


class RandomPermission(BasePermission):
    """Denies at random."""

    message = "denied"
    error_extensions = {"code": "REFUSED"}

    def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:
        context = info.context
        return not context.is_faulty(
            context.random("permission", info.path.as_list(), sorted(kwargs))
        )


class AsyncPermission(BasePermission):
    message = "denied after a while"

    async def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:
        context = info.context
        await resolve_later(None, 1)
        return not context.is_faulty(context.random("slow", info.path.as_list()))


class UpperCase(FieldExtension):
    """Changes the result."""

    def resolve(self, next_: Callable[..., Any], source: Any, info: Info, **kwargs: Any) -> Any:
        result = next_(source, info, **kwargs)
        return result.upper() if isinstance(result, str) else result


class AsyncExtension(FieldExtension):
    def resolve(self, next_: Callable[..., Any], source: Any, info: Info, **kwargs: Any) -> Any:
        return next_(source, info, **kwargs)

    async def resolve_async(
        self, next_: Callable[..., Any], source: Any, info: Info, **kwargs: Any
    ) -> Any:
        await resolve_later(None, 1)
        result = next_(source, info, **kwargs)
        return await result if hasattr(result, "__await__") else result


# Types


@strawberry.interface
class Plant:
    number: int
    required: str

    @strawberry.field
    def about(self, info: Info) -> str:
        return info_text(info)


@strawberry.type
class Leaf(Plant):
    is_type_of = accept_rows("Leaf")
    taste: Taste | None

    @strawberry.field
    def up(self, info: Info) -> Plant | None:
        return resolve(info, lambda: Row((*_path(self), "up"), "Berry", info.context))  # type: ignore[no-any-return]


@strawberry.type
class Stone:
    """Returned as an instance of itself, not as a row."""

    weight: float = 2.5
    name: str | None = None

    @strawberry.field
    def double(self) -> float:
        return self.weight * 2


def describe_size(root: Any, size: int = 1) -> str:
    return f"{type(root).__name__} {size}"


def describe_taste(taste: Taste = Taste.SWEET) -> str:
    return repr(taste)


def describe_parent(
    berry: strawberry.Parent[Any], info: Info, options: Options | None = None
) -> str:
    return info_text(info, type(berry).__name__, options)


def batch_of_leaves(context: SeededContext, parents: list[Any], times: int = 1) -> Any:
    random = context.random("batch_of_leaves", times)
    if context.is_faulty(random):
        raise ValueError("the batch failed")
    return DeferredValue(
        [Row((*_path(parent), "edge"), "Leaf", context) for parent in parents], times % 3
    )


def describe_parents(
    context: SeededContext, parents: list[Any], options: Options | None = None
) -> Any:
    return resolve_later([f"{_path(parent)} {options}" for parent in parents], 1)


def batch_field(batch: Batch) -> Any:
    """A field with a batch, whose resolver gathers the parents for graphql-core."""
    if batch is batch_of_leaves:

        def resolve(root: Any, info: Info, times: int = 1) -> Any:
            return info.context.load(batch, root, times=times)
    else:

        def resolve(root: Any, info: Info, options: Options | None = None) -> Any:  # type: ignore[misc]
            return info.context.load(batch, root, options=options)

    return strawberry.field(resolver=resolve, metadata={"batch": batch})


def _path(source: Any) -> tuple[Any, ...]:
    return tuple(getattr(source, "path", ()))


@strawberry.type
class Berry(Plant):
    is_type_of = accept_rows("Berry")
    weight: float
    missing: int | None
    sweet_name: str = strawberry.field(name="sweetName")
    taste: Taste
    tastes: list[Taste | None]
    sugar: Sugar | None
    leaf: Leaf | None
    leaves: list[Leaf]
    sized: str = strawberry.field(resolver=describe_size)
    static: str = strawberry.field(resolver=describe_taste)
    by_parent: str = strawberry.field(resolver=describe_parent)
    edge: Leaf | None = batch_field(batch_of_leaves)
    counted: str | None = batch_field(describe_parents)
    with_permission: str | None = strawberry.field(
        resolver=describe_size, permission_classes=[RandomPermission]
    )
    with_permissions: str = strawberry.field(
        resolver=describe_parent, permission_classes=[RandomPermission, AsyncPermission]
    )
    silently_denied: list[str] = strawberry.field(
        resolver=lambda: ["a"],
        graphql_type=list[str],
        extensions=[PermissionExtension([RandomPermission()], fail_silently=True)],
    )
    upper_case: str | None = strawberry.field(resolver=describe_taste, extensions=[UpperCase()])
    upper_case_async: str = strawberry.field(
        resolver=describe_parent, extensions=[UpperCase(), AsyncExtension()]
    )
    attribute_with_permission: int | None = strawberry.field(
        default=1, permission_classes=[RandomPermission]
    )

    @strawberry.field
    async def others(
        self, info: Info, first: int = 2, *, options_list: list[Options] | None = None
    ) -> list[Annotated[Leaf | Stone, strawberry.union("Thing")] | None]:
        rows = [
            Row((*_path(self), "others", n), "Leaf", info.context)
            for n in range(max(0, min(first, 4)))
        ]
        return [*rows, Stone(), None]  # type: ignore[list-item] # rows instead of leaves

    @strawberry.field
    def stone(self, info: Info, name: str | None = strawberry.UNSET) -> Stone | None:
        return resolve(info, lambda: Stone(name=repr(name)))  # type: ignore[no-any-return]


def list_berries(info: Info, first: int = 2) -> list[Berry]:
    return resolve(  # type: ignore[no-any-return]
        info,
        lambda: [Row(("berries", n), "Berry", info.context) for n in range(max(0, min(first, 4)))],
    )


async def list_berries_async(info: Info, first: int = 2) -> list[Berry]:
    berries = list_berries(info, first)
    return await berries if hasattr(berries, "__await__") else berries


@strawberry.type
class Query:
    berries: list[Berry] = strawberry.field(resolver=list_berries)
    berries_with_permission: list[Berry] | None = strawberry.field(
        resolver=list_berries_async, permission_classes=[AsyncPermission]
    )

    @strawberry.field
    def berry(self, info: Info) -> Berry | None:
        return resolve(info, lambda: Row(("berry",), "Berry", info.context))  # type: ignore[no-any-return]

    @strawberry.field
    def plants(self, info: Info) -> list[Plant]:
        return resolve(  # type: ignore[no-any-return]
            info,
            lambda: [Row(("plants", n), ("Berry", "Leaf")[n % 2], info.context) for n in range(3)],
        )

    @strawberry.field
    def with_options(
        self,
        info: Info,
        options: Options,
        options_list: list[Options] | None = None,
        one_of: OneOf | None = None,
    ) -> str | None:
        return info_text(info, options, options_list, one_of)

    @strawberry.field
    async def leaves(
        self,
        info: Info,
        number: Annotated[int | None, strawberry.argument(name="count")] = 3,
        sugar: Sugar | None = strawberry.UNSET,
        taste: Taste | None = None,
        grades: list[list[Grade]] | None = None,
        id: strawberry.ID | None = None,
        maybe: strawberry.Maybe[str | None] = None,
    ) -> str | None:
        return info_text(info, number, sugar, taste, grades, id, maybe)

    @strawberry.field
    def by_id(self, id: relay.GlobalID) -> str:
        return repr(id)


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def step(self, info: Info, iterations: int = 1) -> str:
        info.context.effects.append(f"begin {info.path.key}")
        await resolve_later(None, max(0, min(iterations, 5)))
        info.context.effects.append(f"end {info.path.key}")
        return f"step {len(info.context.effects)}"

    @strawberry.mutation
    def grow(self, info: Info, options: Options | None = None) -> Berry | None:
        info.context.effects.append(f"grow {info.path.key} {options}")
        return resolve(info, lambda: Row(("grow",), "Berry", info.context))  # type: ignore[no-any-return]


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def growth(self, info: Info, times: int = 1) -> AsyncGenerator[Berry, None]:
        for number in range(times):
            yield Row(("growth", number), "Berry", info.context)  # type: ignore[misc]


def strawberry_schema() -> GraphQLSchema:
    """Create the schema, which takes a while."""
    schema: GraphQLSchema = strawberry.Schema(
        Query, Mutation, Subscription, types=[Leaf, Stone], config=CONFIG
    )._schema
    return schema


def batch_of(field: GraphQLField) -> Batch | None:
    definition = (field.extensions or {}).get("strawberry-definition")
    return definition.metadata.get("batch") if isinstance(definition, StrawberryField) else None
