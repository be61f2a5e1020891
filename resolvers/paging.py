"""Relay connections by keyset: a cursor is the order's value and the row's id, so it stays valid while rows come and go."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any

import orjson
import strawberry
from tortoise.expressions import Q
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.errors import BadInput
from models.sql import rows
from models.user import Staff
from models.viewer import Viewer

DEFAULT = 20
MOST = 100
MOST_FOR_ANALYSTS = 1_000

First = Annotated[
    int | None, strawberry.argument(description="How many rows from the start, 20 unless told, at most 100 (analysts: 1,000).")
]
After = Annotated[
    str | None, strawberry.argument(description="Rows behind this cursor only, an `endCursor` of an earlier page.")
]
Last = Annotated[int | None, strawberry.argument(description="How many rows from the end, instead of `first`.")]
Before = Annotated[
    str | None, strawberry.argument(description="Rows before this cursor only, a `startCursor` of a later page.")
]


@dataclass(frozen=True)
class Order:
    """By which column, and whether the largest comes first. Rows with equal values follow their ids."""

    column: str
    descending: bool = False

    def value(self, row: Model) -> Any:
        return getattr(row, self.column)


@dataclass(frozen=True)
class Window:
    """What of a list is asked for."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None

    @property
    def size(self) -> int:
        return next((n for n in (self.first, self.last) if n is not None), DEFAULT)

    @property
    def backwards(self) -> bool:
        return self.last is not None

    def require(self, viewer: Viewer) -> None:
        """Raise BadInput for a window that is too large, negative or asked for from both ends."""
        most = MOST_FOR_ANALYSTS if viewer.staff is Staff.ANALYST else MOST
        if self.first is not None and self.last is not None:
            raise BadInput("last", "first | last")
        if not 0 <= self.size <= most:
            raise BadInput("last" if self.backwards else "first", f"0..{most}")


@dataclass(frozen=True)
class Edge:
    """A row with its place in the list."""

    node: Model
    cursor: str


@dataclass(frozen=True)
class PageInfo:
    """Whether there is more, and where."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@dataclass(frozen=True)
class Page:
    """One page of a list. The total is counted only when asked for."""

    nodes: Sequence[Model]
    order: Order
    more: bool
    window: Window
    count: Callable[[], Awaitable[int]]

    @property
    def edges(self) -> list[Edge]:
        return [Edge(node, cursor(node, self.order)) for node in self.nodes]

    @property
    def page_info(self) -> PageInfo:
        ends = [cursor(node, self.order) for node in (self.nodes[0], self.nodes[-1])] if self.nodes else [None, None]
        backwards = self.window.backwards
        return PageInfo(
            has_next_page=self.window.before is not None if backwards else self.more,
            has_previous_page=self.more if backwards else self.window.after is not None,
            start_cursor=ends[0],
            end_cursor=ends[1],
        )


async def page(found: QuerySet[Any], order: Order, window: Window, viewer: Viewer) -> Page:
    """One page of `found`, in one statement. Raises BadInput for a bad window or cursor."""
    window.require(viewer)
    descending = order.descending != window.backwards
    sign = "-" if descending else ""
    wanted = _between(found, order, window)
    fetched = await wanted.order_by(f"{sign}{order.column}", f"{sign}id").limit(window.size + 1)
    nodes = fetched[: window.size]
    return Page(nodes[::-1] if window.backwards else nodes, order, len(fetched) > window.size, window, found.count)


def _between(found: QuerySet[Any], order: Order, window: Window) -> QuerySet[Any]:
    for argument, text, smaller in (("after", window.after, order.descending), ("before", window.before, not order.descending)):
        if text is not None:
            value, key = _place(found, order, argument, text)
            side = "lt" if smaller else "gt"
            found = found.filter(Q(**{f"{order.column}__{side}": value}) | Q(**{order.column: value, f"id__{side}": key}))
    return found


def cursor(row: Model, order: Order) -> str:
    """A row's place in an order, opaque to clients."""
    return urlsafe_b64encode(orjson.dumps([order.column, order.value(row), row.pk])).decode().rstrip("=")


def _place(found: QuerySet[Any], order: Order, argument: str, text: str) -> tuple[Any, int]:
    try:
        column, value, key = orjson.loads(urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)))
        if column != order.column or type(key) is not int or abs(key) >= 2**63:
            raise ValueError(text)
        return _typed(found.model._meta.fields_map[column].field_type, value), key
    except (ValueError, TypeError, OverflowError):
        raise BadInput(argument, "cursor") from None


def _typed(kind: Any, value: Any) -> Any:
    if kind is datetime:
        return datetime.fromisoformat(value).astimezone(UTC)  # OverflowError at the ends of time
    if kind is date:
        return date.fromisoformat(value)
    if type(value) is not kind or (kind is int and abs(value) >= 2**63):
        raise ValueError(value)
    return value


async def pages_of(
    parents: Sequence[Model], model: type[Model], owner: str, order: Order, window: Window, viewer: Viewer
) -> list[Page]:
    """One page for each parent, of the rows whose column `owner` names it: two statements for all of them together."""
    window.require(viewer)
    keys = list({parent.pk for parent in parents})
    visible: QuerySet[Any] = model.visible_to(viewer)  # type: ignore[attr-defined] # each of our models has it
    found = await visible.filter(pk__in=await _first_of_each(model, owner, order, window, keys))
    mine: dict[int, list[Any]] = {key: [] for key in keys}
    for row in sorted(found, key=lambda row: (order.value(row), row.pk), reverse=order.descending):
        mine[getattr(row, owner)].append(row)
    return [_page_of(parent, mine[parent.pk], visible.filter(**{owner: parent.pk}), order, window) for parent in parents]


async def _first_of_each(model: type[Model], owner: str, order: Order, window: Window, keys: list[int]) -> list[int]:
    if window.after is not None or window.before is not None:
        return await _first_behind_cursor(model, owner, order, window, keys)
    direction = "DESC" if order.descending != window.backwards else "ASC"
    marks = ", ".join("?" for _ in keys)
    # Names come from our own models, never from a request.
    statement = (
        f'SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY "{owner}"'  # noqa: S608
        f' ORDER BY "{order.column}" {direction}, id {direction}) AS place'
        f' FROM "{model._meta.db_table}" WHERE "{owner}" IN ({marks})) AS ranked WHERE place <= ?'
    )
    return [row["id"] for row in await rows(statement, *keys, window.size + 1)]


async def _first_behind_cursor(model: type[Model], owner: str, order: Order, window: Window, keys: list[int]) -> list[int]:
    if len(keys) > 1:
        raise BadInput("after" if window.after is not None else "before", "1 parent")
    sign = "-" if order.descending != window.backwards else ""
    wanted = _between(model.filter(**{owner: keys[0]}), order, window).order_by(f"{sign}{order.column}", f"{sign}id")
    return [int(str(key)) for key in await wanted.limit(window.size + 1).values_list("id", flat=True)]


def _page_of(parent: Model, found: list[Any], all_of_it: QuerySet[Any], order: Order, window: Window) -> Page:
    nodes = found[-window.size :] if window.backwards and window.size else found[: window.size]
    return Page(nodes, order, len(found) > window.size, window, all_of_it.count)
