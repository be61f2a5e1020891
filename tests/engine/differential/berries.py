"""A Strawberry schema of what Strawberry does around resolvers: arguments made Python objects, parents and infos handed over
in every way, permissions and extensions, rows that stand in for its types."""

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

from engine.execution.deferred import Batch
from tests.engine.differential.scene import Scene
from tests.engine.differential.values import FAULTS, Fetched, later

Info = strawberry.Info[Scene, Any]


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
        raise ValueError("three lumps are too many")
    return ("sugar", value)


Sugar = NewType("Sugar", object)
CONFIG = StrawberryConfig(
    scalar_map={Sugar: strawberry.scalar(name="Sugar", serialize=lambda value: _sugar(value)[1], parse_value=_sugar)}
)


@strawberry.input
class Wish:
    taste: Taste = Taste.SOUR
    grades: list[Grade] | None = None
    sugar: Sugar | None = strawberry.UNSET
    inner: "Wish | None" = strawberry.UNSET
    much_more: int = strawberry.field(default=3, name="more")
    maybe: strawberry.Maybe[int | None]

    def __post_init__(self) -> None:
        if self.much_more == 13:
            raise ValueError("an unlucky wish")


@strawberry.input(one_of=True)
class Either:
    number: int | None = strawberry.UNSET
    text: str | None = strawberry.UNSET


@dataclass
class Row:
    """Stands in for Berry or Leaf; some of its attributes are missing or wrong."""

    path: tuple[Any, ...]
    kind: str
    scene: Scene

    def __await__(self) -> Any:
        raise AssertionError("a row was awaited")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "missing":
            raise AttributeError(f"no {name}")
        return value(self.scene, (*self.path, f".{name}"), self.right(name))

    def right(self, name: str) -> Callable[[], Any]:
        return {
            "weight": lambda: 1.5, "number": lambda: 7, "sweet_name": lambda: "sweet", "taste": lambda: Taste.SOUR,
            "tastes": lambda: [Taste.SWEET, None, Taste.BITTER], "sugar": lambda: 4, "must": lambda: "must",
            "leaf": lambda: Row((*self.path, "leaf"), "Leaf", self.scene),
            "leaves": lambda: [Row((*self.path, "leaves", n), "Leaf", self.scene) for n in range(2)],
        }[name]  # fmt: skip


def value(scene: Scene, place: tuple[Any, ...], right: Callable[[], Any]) -> Any:
    """What is right, or what is not, at once, later, or deferred."""
    scene.calls[place] += 1
    dice = scene.dice(place)
    if scene.wild(dice):
        fault = dice.choice((*(make() for make in FAULTS), None, 5, "text"))
        if isinstance(fault, Exception) and dice.random() < 0.5:
            raise fault
        return fault
    return (lambda made: made, lambda made: made, lambda made: later(made, 1), lambda made: Fetched(made, 1))[
        dice.randrange(4)
    ](right())


def here(info: Info, right: Callable[[], Any]) -> Any:
    return value(info.context, tuple(info.path.as_list()), right)


def told(info: Info, *given: Any) -> str:
    """Everything an info says, and what was given."""
    return repr([
        info.field_name, info.python_name, info.path.as_list(), str(info.return_type), sorted(info.variable_values.items()),
        info.operation.operation, info.root_value is None, info._raw_info.parent_type.name, len(info.selected_fields), given,
    ])  # fmt: skip


def is_kind(kind: str) -> Any:
    return classmethod(lambda cls, row, _info: isinstance(row, cls) or getattr(row, "kind", None) == kind)


# Permissions and extensions


class Refusing(BasePermission):
    """Refuses by the dice."""

    message = "not for you"
    error_extensions = {"code": "REFUSED"}

    def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:
        scene = info.context
        return not scene.wild(scene.dice("permission", info.path.as_list(), sorted(kwargs)))


class Slow(BasePermission):
    message = "not for you, at length"

    async def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:
        scene = info.context
        await later(None, 1)
        return not scene.wild(scene.dice("slow", info.path.as_list()))


class Louder(FieldExtension):
    """Changes arguments and results."""

    def resolve(self, next_: Callable[..., Any], source: Any, info: Info, **kwargs: Any) -> Any:
        found = next_(source, info, **kwargs)
        return found.upper() if isinstance(found, str) else found


class Later(FieldExtension):
    def resolve(self, next_: Callable[..., Any], source: Any, info: Info, **kwargs: Any) -> Any:
        return next_(source, info, **kwargs)

    async def resolve_async(self, next_: Callable[..., Any], source: Any, info: Info, **kwargs: Any) -> Any:
        await later(None, 1)
        found = next_(source, info, **kwargs)
        return await found if hasattr(found, "__await__") else found


# Types


@strawberry.interface
class Plant:
    number: int
    must: str

    @strawberry.field
    def about(self, info: Info) -> str:
        return told(info)


@strawberry.type
class Leaf(Plant):
    is_type_of = is_kind("Leaf")
    taste: Taste | None

    @strawberry.field
    def up(self, info: Info) -> Plant | None:
        return here(info, lambda: Row((*_path(self), "up"), "Berry", info.context))  # type: ignore[no-any-return]


@strawberry.type
class Stone:
    """Made as itself, not by a row."""

    weight: float = 2.5
    name: str | None = None

    @strawberry.field
    def double(self) -> float:
        return self.weight * 2


def how_large(root: Any, size: int = 1) -> str:
    return f"{type(root).__name__} {size}"


def how_sweet(taste: Taste = Taste.SWEET) -> str:
    return repr(taste)


def of_parent(berry: strawberry.Parent[Any], info: Info, wish: Wish | None = None) -> str:
    return told(info, type(berry).__name__, wish)


def batched(context: Scene, parents: list[Any], times: int = 1) -> Any:
    dice = context.dice("batched", times)
    if context.wild(dice):
        raise ValueError("the batch failed")
    return Fetched([Row((*_path(parent), "edge"), "Leaf", context) for parent in parents], times % 3)


def counted_each(context: Scene, parents: list[Any], wish: Wish | None = None) -> Any:
    return later([f"{_path(parent)} {wish}" for parent in parents], 1)


def hangs(batch: Batch) -> Any:
    if batch is batched:

        def resolve(root: Any, info: Info, times: int = 1) -> Any:
            return info.context.load(batch, root, times=times)
    else:

        def resolve(root: Any, info: Info, wish: Wish | None = None) -> Any:  # type: ignore[misc]
            return info.context.load(batch, root, wish=wish)

    return strawberry.field(resolver=resolve, metadata={"batch": batch})


def _path(source: Any) -> tuple[Any, ...]:
    return tuple(getattr(source, "path", ()))


@strawberry.type
class Berry(Plant):
    is_type_of = is_kind("Berry")
    weight: float
    missing: int | None
    sweet_name: str = strawberry.field(name="sweetName")
    taste: Taste
    tastes: list[Taste | None]
    sugar: Sugar | None
    leaf: Leaf | None
    leaves: list[Leaf]
    sized: str = strawberry.field(resolver=how_large)
    static: str = strawberry.field(resolver=how_sweet)
    by_parent: str = strawberry.field(resolver=of_parent)
    edge: Leaf | None = hangs(batched)
    counted: str | None = hangs(counted_each)
    guarded: str | None = strawberry.field(resolver=how_large, permission_classes=[Refusing])
    guarded_long: str = strawberry.field(resolver=of_parent, permission_classes=[Refusing, Slow])
    silent: list[str] = strawberry.field(
        resolver=lambda: ["a"], graphql_type=list[str], extensions=[PermissionExtension([Refusing()], fail_silently=True)]
    )
    loud: str | None = strawberry.field(resolver=how_sweet, extensions=[Louder()])
    louder: str = strawberry.field(resolver=of_parent, extensions=[Louder(), Later()])
    plain_guarded: int | None = strawberry.field(default=1, permission_classes=[Refusing])

    @strawberry.field
    async def others(
        self, info: Info, first: int = 2, *, wishes: list[Wish] | None = None
    ) -> list[Annotated[Leaf | Stone, strawberry.union("Thing")] | None]:
        rows = [Row((*_path(self), "others", n), "Leaf", info.context) for n in range(max(0, min(first, 4)))]
        return [*rows, Stone(), None]  # type: ignore[list-item] # rows stand in for leaves

    @strawberry.field
    def stone(self, info: Info, name: str | None = strawberry.UNSET) -> Stone | None:
        return here(info, lambda: Stone(name=repr(name)))  # type: ignore[no-any-return]


def listed(info: Info, first: int = 2) -> list[Berry]:
    return here(info, lambda: [Row(("berries", n), "Berry", info.context) for n in range(max(0, min(first, 4)))])  # type: ignore[no-any-return]


async def listed_later(info: Info, first: int = 2) -> list[Berry]:
    found = listed(info, first)
    return await found if hasattr(found, "__await__") else found


@strawberry.type
class Query:
    berries: list[Berry] = strawberry.field(resolver=listed)
    guarded_berries: list[Berry] | None = strawberry.field(resolver=listed_later, permission_classes=[Slow])

    @strawberry.field
    def berry(self, info: Info) -> Berry | None:
        return here(info, lambda: Row(("berry",), "Berry", info.context))  # type: ignore[no-any-return]

    @strawberry.field
    def plants(self, info: Info) -> list[Plant]:
        return here(info, lambda: [Row(("plants", n), ("Berry", "Leaf")[n % 2], info.context) for n in range(3)])  # type: ignore[no-any-return]

    @strawberry.field
    def wished(self, info: Info, wish: Wish, wishes: list[Wish] | None = None, either: Either | None = None) -> str | None:
        return told(info, wish, wishes, either)

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
        return told(info, number, sugar, taste, grades, id, maybe)

    @strawberry.field
    def by_id(self, id: relay.GlobalID) -> str:
        return repr(id)


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def step(self, info: Info, turns: int = 1) -> str:
        info.context.effects.append(f"begin {info.path.key}")
        await later(None, max(0, min(turns, 5)))
        info.context.effects.append(f"end {info.path.key}")
        return f"step {len(info.context.effects)}"

    @strawberry.mutation
    def grow(self, info: Info, wish: Wish | None = None) -> Berry | None:
        info.context.effects.append(f"grow {info.path.key} {wish}")
        return here(info, lambda: Row(("grow",), "Berry", info.context))  # type: ignore[no-any-return]


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def growing(self, info: Info, times: int = 1) -> AsyncGenerator[Berry, None]:
        for number in range(times):
            yield Row(("growing", number), "Berry", info.context)  # type: ignore[misc]


def strawberries() -> GraphQLSchema:
    """The schema. Making it takes a while."""
    schema: GraphQLSchema = strawberry.Schema(Query, Mutation, Subscription, types=[Leaf, Stone], config=CONFIG)._schema
    return schema


def batch_of(field: GraphQLField) -> Batch | None:
    declared = (field.extensions or {}).get("strawberry-definition")
    return declared.metadata.get("batch") if isinstance(declared, StrawberryField) else None
