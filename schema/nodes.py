"""Global ids, the Node interface and Relay's connections."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import strawberry
from graphql import GraphQLResolveInfo
from strawberry.scalars import ID

from resolvers.ids import encode
from schema.fields import field

T = TypeVar("T")


def _global_id(root: Any) -> ID:
    return encode(type(root).__name__, root.id)  # type: ignore[return-value] # an ID is a text, and calling it has a price


async def _total(root: Any) -> int:
    return int(await root.count())


@strawberry.interface(description="Whatever has a global id.")
class Node:
    id: ID = field(
        "Opaque and global: `node(id:)` finds the object again. People read numbers and names, never ids.",
        _global_id,
        needs=("id",),
    )


def backed_by(model: type[Any]) -> Callable[[type[T]], type[T]]:
    """Say of which rows a type is made, so that interfaces and `node` find it."""

    def mark(cls: type[T]) -> type[T]:
        def is_type_of(row: Any, info: GraphQLResolveInfo[Any]) -> bool:
            return isinstance(row, model)

        is_type_of.by_class = True  # type: ignore[attr-defined] # it asks for the row's class only: the walk does so once a class
        cls.is_type_of = staticmethod(is_type_of)  # type: ignore[attr-defined] # Strawberry looks for it on the class
        cls.made_of = model  # type: ignore[attr-defined] # resolvers/rows.py does, to know whose columns a field needs
        return cls

    return mark


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    has_next_page: bool = field("Whether there are rows behind this page.")
    has_previous_page: bool = field("Whether there are rows before this page.")
    start_cursor: str | None = field("The first row's cursor, null on an empty page.")
    end_cursor: str | None = field("The last row's cursor: give it as `after` for the next page.")


@strawberry.type(description="A row with its place in the list.")
class Edge(Generic[T]):
    node: T = field("The row.")
    cursor: str = field("Its place, valid while rows come and go.")


@strawberry.type(description="One page of a list (Relay's connection).")
class Connection(Generic[T]):
    nodes: list[T] = field("The page's rows.")
    edges: list[Edge[T]] = field("The page's rows with their cursors.")
    page_info: PageInfo = field("Where the page lies in the list.")
    total_count: int = field("How many rows the whole list has; counted only when asked for.", _total)
