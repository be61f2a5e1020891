"""Relay connections by keyset: a cursor is the order's value and the row's id, so it stays valid
while rows come and go.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Annotated, Any

import orjson
import strawberry
from tortoise.expressions import Q
from tortoise.models import Model
from tortoise.queryset import QuerySet

from engine import Deferred, Selection
from models.database.reading import all_columns, read
from models.errors import BadInput
from models.identity.user import Staff
from models.translations import _
from models.viewer import Viewer
from resolvers.rows import ID, columns, grouped

DEFAULT = 20
MOST = 100
MOST_FOR_ANALYSTS = 1_000

First = Annotated[
    int | None,
    strawberry.argument(
        description="The number of items to return from the start of the list: 20 by default, at "
        "most 100 (1,000 for analysts)."
    ),
]
After = Annotated[
    str | None,
    strawberry.argument(
        description="Returns the items after this cursor, which is the `endCursor` of an earlier "
        "page."
    ),
]
Last = Annotated[
    int | None,
    strawberry.argument(
        description="The number of items to return from the end of the list, instead of `first`."
    ),
]
Before = Annotated[
    str | None,
    strawberry.argument(
        description="Returns the items before this cursor, which is the `startCursor` of a later "
        "page."
    ),
]


@dataclass(frozen=True)
class Order:
    """By which column, and whether the largest comes first. Rows with equal values follow their
    ids.
    """

    column: str
    descending: bool = False

    @property
    def name(self) -> str:
        """What a cursor of this order begins with: one of another order is refused."""
        return f"-{self.column}" if self.descending else self.column

    def by(self, window: "Window") -> tuple[str, str]:
        """By which columns to read, the window's near end first."""
        sign = "-" if self.descending != window.backwards else ""
        return f"{sign}{self.column}", f"{sign}id"


@dataclass(frozen=True)
class Window:
    """What of a list is asked for."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None
    order: Order | None = None  # the client's choice

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
            raise BadInput("last", _("Use either “first” or “last”, not both."))
        if not 0 <= self.size <= most:
            message = _("“%(argument)s” must be between 0 and %(maximum)s.")
            raise BadInput("last" if self.backwards else "first", message, maximum=most)


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
        ends = (
            [cursor(node, self.order) for node in (self.nodes[0], self.nodes[-1])]
            if self.nodes
            else [None, None]
        )
        backwards = self.window.backwards
        return PageInfo(
            has_next_page=self.window.before is not None if backwards else self.more,
            has_previous_page=self.more if backwards else self.window.after is not None,
            start_cursor=ends[0],
            end_cursor=ends[1],
        )


class OnePage(Deferred):
    """One page of a list: at most one statement for its rows, none when only their number is asked
    for.
    """

    __slots__ = ("found", "order", "wanted", "window")

    def __init__(
        self, found: QuerySet[Any], wanted: QuerySet[Any], order: Order, window: Window
    ) -> None:
        self.found, self.wanted, self.order, self.window = found, wanted, order, window

    async def fetch(self, selection: Selection | None) -> Page:
        chosen = _selected_columns(self.found.model, selection, self.order)
        order = self.order
        window = self.window
        rows = (
            await read(self.wanted, chosen, *order.by(window), limit=window.size + 1)
            if chosen
            else []
        )
        return _page(rows, order, window, self.found.count)


class PageOfEach(Deferred):
    """One page for each parent, of the rows whose column `owner` names it: one statement for all of
    them together.
    """

    __slots__ = ("found", "order", "owner", "parents", "window")

    def __init__(
        self,
        parents: Sequence[Model],
        found: QuerySet[Any],
        owner: str,
        order: Order,
        window: Window,
    ) -> None:
        self.parents = parents
        self.found = found
        self.owner = owner
        self.order = order
        self.window = window

    async def fetch(self, selection: Selection | None) -> list[Page]:
        chosen = _selected_columns(self.found.model, selection, self.order, self.owner)
        lists = grouped(self.parents, self.owner, await self._rows(chosen) if chosen else ())
        return [
            _page(rows, self.order, self.window, partial(self._count, parent))
            for parent, rows in zip(self.parents, lists, strict=True)
        ]

    async def _count(self, parent: Model) -> int:
        return await self.found.filter(**{self.owner: parent.pk}).count()

    async def _rows(self, chosen: tuple[str, ...]) -> list[Any]:
        keys, order = set(map(ID, self.parents)), self.order.by(self.window)
        return await read(
            self.found,
            chosen,
            *order,
            where_in=(self.owner, keys),
            limit=self.window.size + 1,
            per_key=True,
        )


def page(found: QuerySet[Any], order: Order, window: Window, viewer: Viewer) -> OnePage:
    """One page of `found`. Raises BadInput for a bad window or cursor."""
    window.require(viewer)
    return OnePage(found, _within_window(found, order, window), order, window)


def pages_of(
    parents: Sequence[Model],
    model: type[Model],
    owner: str,
    order: Order,
    window: Window,
    viewer: Viewer,
) -> Deferred:
    """One page for each parent, of the rows whose column `owner` names it. Raises BadInput for a
    bad window or cursor.
    """
    window.require(viewer)
    order = window.order or order
    found: QuerySet[Any] = model.visible_to(viewer)  # type: ignore[attr-defined] # each of our models has it
    if window.after is None and window.before is None:
        return PageOfEach(parents, found, owner, order, window)
    if len({parent.pk for parent in parents}) > 1:
        message = _("“%(argument)s” can only be used when the list belongs to a single object.")
        raise BadInput("after" if window.after is not None else "before", message)
    return PageOfEach(parents, _within_window(found, order, window), owner, order, window)


def _selected_columns(
    model: type[Model], selection: Selection | None, order: Order, *also: str
) -> tuple[str, ...] | None:
    """The columns that a page's selection needs, None when it needs no row."""
    if selection is None:
        return all_columns(model)
    place = (model, order, also)
    if place not in selection.memo:
        nodes = [
            *selection.below("nodes"),
            *(node for edge in selection.below("edges") for node in edge.below("node")),
        ]
        placed = (order.column,) if selection.fields.keys() & {"edges", "pageInfo"} else ()
        selection.memo[place] = columns(model, nodes, *also, *placed) if nodes or placed else None
    return selection.memo[place]  # type: ignore[no-any-return] # a memo holds anything


def _page(
    found: list[Any], order: Order, window: Window, count: Callable[[], Awaitable[int]]
) -> Page:
    nodes = found[: window.size]
    return Page(
        nodes[::-1] if window.backwards else nodes, order, len(found) > window.size, window, count
    )


def _within_window(found: QuerySet[Any], order: Order, window: Window) -> QuerySet[Any]:
    for argument, text, smaller in (
        ("after", window.after, order.descending),
        ("before", window.before, not order.descending),
    ):
        if text is not None:
            value, key = _decode_cursor(found, order, argument, text)
            side = "lt" if smaller else "gt"
            found = found.filter(
                Q(**{f"{order.column}__{side}": value})
                | Q(**{order.column: value, f"id__{side}": key})
            )
    return found


def cursor(row: Model, order: Order) -> str:
    """A row's place in an order, opaque to clients."""
    return (
        urlsafe_b64encode(orjson.dumps([order.name, getattr(row, order.column), row.pk]))
        .decode()
        .rstrip("=")
    )


def _decode_cursor(found: QuerySet[Any], order: Order, argument: str, text: str) -> tuple[Any, int]:
    try:
        name, value, key = orjson.loads(urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)))
        if name != order.name or type(key) is not int or abs(key) >= 2**63:
            raise ValueError(text)
        return _parse_value(found.model._meta.fields_map[order.column].field_type, value), key
    except (ValueError, TypeError, OverflowError):
        raise BadInput(argument, _("“%(argument)s” isn’t a cursor of this list.")) from None


def _parse_value(kind: Any, value: Any) -> Any:
    if kind is datetime:
        return datetime.fromisoformat(value).astimezone(UTC)  # OverflowError at the ends of time
    if kind is date:
        return date.fromisoformat(value)
    if type(value) is not kind or (kind is int and abs(value) >= 2**63):
        raise ValueError(value)
    return value
