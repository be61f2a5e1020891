"""Global IDs, the Node interface, and Relay's connections."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import strawberry
from graphql import GraphQLResolveInfo
from strawberry.scalars import ID

from resolvers import nodes
from resolvers.ids import encode
from resolvers.paging import MAX_TOTAL
from schema.fields import field

T = TypeVar("T")


def _global_id(root: Any) -> ID:
    return encode(type(root).__name__, root.id)  # type: ignore[return-value] # an ID is a text, and calling it has a price


async def _total_count(root: Any) -> int:
    return int(await root.total.count())


async def _is_total_exact(root: Any) -> bool:
    return bool(await root.total.is_exact())


@strawberry.interface(description="An object that `node(id:)` can fetch.")
class Node:
    id: ID = field(
        "The global ID of the object: opaque, never reused, and unique across all types. Pass it "
        "to `node(id:)` to fetch the object again.",
        _global_id,
        needs=("id",),
    )


NODE_TYPES: list[type[Any]] = []


def backed_by(model: type[Any]) -> Callable[[type[T]], type[T]]:
    """Declare the model whose rows a type shows. This also registers a type that implements Node
    for `node(id:)`.
    """

    def decorate(cls: type[T]) -> type[T]:
        if issubclass(cls, Node):
            nodes.register(model.__name__, model)  # as in `_global_id`
            NODE_TYPES.append(cls)

        def is_type_of(row: Any, info: GraphQLResolveInfo[Any]) -> bool:
            return isinstance(row, model)

        is_type_of.by_class = True  # type: ignore[attr-defined] # depends on the class of the row only, so the engine calls it once per class
        cls.is_type_of = staticmethod(is_type_of)  # type: ignore[attr-defined] # where Strawberry expects it
        cls.backing_model = model  # type: ignore[attr-defined] # for resolvers/rows.py: the model whose columns a field reads
        return cls

    return decorate


@strawberry.type(description="Information about the position of a page in its list.")
class PageInfo:
    has_next_page: bool = field("Whether there are items after this page.")
    has_previous_page: bool = field("Whether there are items before this page.")
    start_cursor: str | None = field("The cursor of the first item. Null when the page is empty.")
    end_cursor: str | None = field(
        "The cursor of the last item. Pass it as `after` to get the next page. Null when the page "
        "is empty."
    )


@strawberry.type(description="An item with its cursor.")
class Edge(Generic[T]):
    node: T = field("The item.")
    cursor: str = field(
        "The position of the item, which stays valid while items are added and removed."
    )


@strawberry.type(description="A page of a list, as specified by Relay.")
class Connection(Generic[T]):
    nodes: list[T] = field("The items of the page.")
    edges: list[Edge[T]] = field("The items of the page with their cursors.")
    page_info: PageInfo = field("Information about the position of the page in the list.")
    total_count: int = field(
        f"The number of items in the whole list, counted up to {MAX_TOTAL:,} and only when "
        f"requested: {MAX_TOTAL:,} also stands for more, which `isTotalCountExact` tells.",
        _total_count,
    )
    is_total_count_exact: bool = field(
        "Whether `totalCount` is the number of items. False when there are more than "
        f"{MAX_TOTAL:,}: show “{MAX_TOTAL:,}+”.",
        _is_total_exact,
    )
