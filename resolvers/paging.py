"""Relay connections by keyset: a cursor is the order's value and the row's id, so it stays valid
while rows come and go.
"""

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any

import orjson
import strawberry
from tortoise.expressions import Q
from tortoise.models import Model
from tortoise.queryset import QuerySet

from engine import Deferred, Selection
from models.database.reading import all_columns, count_up_to, read
from models.errors import BadInput
from models.identity.user import Staff
from models.translations import _
from models.viewer import Viewer
from resolvers.rows import get_id, group_by_parent, selected_columns

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
MAX_PAGE_SIZE_FOR_ANALYSTS = 1_000
MAX_TOTAL = 10_000  # counting all rows of a large list takes longer than reading a page of it

FirstArgument = Annotated[
    int | None,
    strawberry.argument(
        description="The number of items to return from the start of the list: 20 by default, at "
        "most 100 (1,000 for analysts)."
    ),
]
AfterArgument = Annotated[
    str | None,
    strawberry.argument(
        description="Returns the items after this cursor, which is the `endCursor` of an earlier "
        "page."
    ),
]
LastArgument = Annotated[
    int | None,
    strawberry.argument(
        description="The number of items to return from the end of the list, instead of `first`."
    ),
]
BeforeArgument = Annotated[
    str | None,
    strawberry.argument(
        description="Returns the items before this cursor, which is the `startCursor` of a later "
        "page."
    ),
]


@dataclass(frozen=True)
class Order:
    """The order of a list by one column. Rows with equal values are ordered by id."""

    column: str
    descending: bool = False

    @property
    def name(self) -> str:
        """The start of this order's cursors: cursors of other orders are rejected."""
        return f"-{self.column}" if self.descending else self.column

    def columns_for(self, page_request: "PageRequest") -> tuple[str, str]:
        """The columns to sort by so that the requested rows come first."""
        sign = "-" if self.descending != page_request.is_backward else ""
        return f"{sign}{self.column}", f"{sign}id"


@dataclass(frozen=True)
class PageRequest:
    """The part of a list that a client requests: Relay's arguments of a connection."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None
    order: Order | None = None  # the client's choice

    @property
    def size(self) -> int:
        return next((n for n in (self.first, self.last) if n is not None), DEFAULT_PAGE_SIZE)

    @property
    def is_backward(self) -> bool:
        return self.last is not None

    def validate(self, viewer: Viewer) -> None:
        """Raise BadInput for a size out of range, or when both ends of the list are requested."""
        maximum = MAX_PAGE_SIZE_FOR_ANALYSTS if viewer.staff is Staff.ANALYST else MAX_PAGE_SIZE
        if self.first is not None and self.last is not None:
            raise BadInput("last", _("Use either “first” or “last”, not both."))
        if not 0 <= self.size <= maximum:
            message = _("“%(argument)s” must be between 0 and %(maximum)s.")
            raise BadInput("last" if self.is_backward else "first", message, maximum=maximum)


@dataclass(frozen=True)
class Edge:
    """A row with its cursor."""

    node: Model
    cursor: str


@dataclass(frozen=True)
class PageInfo:
    """Whether there are pages before and after this one, and its first and last cursors."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


class Total:
    """The number of rows of a list, counted only when requested, once, and up to MAX_TOTAL."""

    def __init__(self, queryset: QuerySet[Any]) -> None:
        self._queryset = queryset
        self._counting: asyncio.Task[int] | None = None

    async def count(self) -> int:
        """The number of rows, at most MAX_TOTAL."""
        return min(await self._count(), MAX_TOTAL)

    async def is_exact(self) -> bool:
        """Whether there are no more rows than `count` says."""
        return await self._count() <= MAX_TOTAL

    def _count(self) -> Awaitable[int]:
        if self._counting is None:
            counting = count_up_to(self._queryset, MAX_TOTAL + 1)
            self._counting = asyncio.get_running_loop().create_task(counting)
        return self._counting


@dataclass(frozen=True)
class Page:
    """One page of a list."""

    nodes: Sequence[Model]
    order: Order
    has_more: bool
    page_request: PageRequest
    total: Total

    @property
    def edges(self) -> list[Edge]:
        return [Edge(node, cursor(node, self.order)) for node in self.nodes]

    @property
    def page_info(self) -> PageInfo:
        cursors = (
            [cursor(node, self.order) for node in (self.nodes[0], self.nodes[-1])]
            if self.nodes
            else [None, None]
        )
        is_backward = self.page_request.is_backward
        return PageInfo(
            has_next_page=self.page_request.before is not None if is_backward else self.has_more,
            has_previous_page=self.has_more if is_backward else self.page_request.after is not None,
            start_cursor=cursors[0],
            end_cursor=cursors[1],
        )


class DeferredPage(Deferred):
    """One page of a list: at most one statement for its rows, none when only their number is
    requested.
    """

    __slots__ = ("order", "page_queryset", "page_request", "queryset")

    def __init__(
        self,
        queryset: QuerySet[Any],
        page_queryset: QuerySet[Any],
        order: Order,
        page_request: PageRequest,
    ) -> None:
        self.queryset = queryset
        self.page_queryset = page_queryset
        self.order = order
        self.page_request = page_request

    async def fetch(self, selection: Selection | None) -> Page:
        column_names = _page_columns(self.queryset.model, selection, self.order)
        order = self.order
        page_request = self.page_request
        rows = (
            await read(
                self.page_queryset,
                column_names,
                *order.columns_for(page_request),
                limit=page_request.size + 1,
            )
            if column_names
            else []
        )
        return _page(rows, order, page_request, Total(self.queryset))


class DeferredPages(Deferred):
    """One page for each parent, of the rows whose `parent_column` contains its id: one statement
    for all of them together.
    """

    __slots__ = ("order", "page_request", "parent_column", "parents", "queryset")

    def __init__(
        self,
        parents: Sequence[Model],
        queryset: QuerySet[Any],
        parent_column: str,
        order: Order,
        page_request: PageRequest,
    ) -> None:
        self.parents = parents
        self.queryset = queryset
        self.parent_column = parent_column
        self.order = order
        self.page_request = page_request

    async def fetch(self, selection: Selection | None) -> list[Page]:
        column_names = _page_columns(self.queryset.model, selection, self.order, self.parent_column)
        lists = group_by_parent(
            self.parents, self.parent_column, await self._rows(column_names) if column_names else ()
        )
        return [
            _page(rows, self.order, self.page_request, self._total(parent))
            for parent, rows in zip(self.parents, lists, strict=True)
        ]

    def _total(self, parent: Model) -> Total:
        return Total(self.queryset.filter(**{self.parent_column: parent.pk}))

    async def _rows(self, column_names: tuple[str, ...]) -> list[Any]:
        keys, order = set(map(get_id, self.parents)), self.order.columns_for(self.page_request)
        return await read(
            self.queryset,
            column_names,
            *order,
            where_in=(self.parent_column, keys),
            limit=self.page_request.size + 1,
            per_key=True,
        )


def page(
    queryset: QuerySet[Any], order: Order, page_request: PageRequest, viewer: Viewer
) -> DeferredPage:
    """One page of a queryset. Raises BadInput for an invalid size or cursor."""
    page_request.validate(viewer)
    return DeferredPage(
        queryset, _apply_cursors(queryset, order, page_request), order, page_request
    )


def pages_of(
    parents: Sequence[Model],
    model: type[Model],
    parent_column: str,
    order: Order,
    page_request: PageRequest,
    viewer: Viewer,
    condition: Q | None = None,
) -> Deferred:
    """One page for each parent, of the rows whose `parent_column` contains its id and that meet the
    condition. Raises BadInput for an invalid size or cursor.
    """
    page_request.validate(viewer)
    order = page_request.order or order
    queryset: QuerySet[Any] = model.visible_to(viewer)  # type: ignore[attr-defined] # each of our models has it
    queryset = queryset.filter(condition) if condition else queryset
    if page_request.after is None and page_request.before is None:
        return DeferredPages(parents, queryset, parent_column, order, page_request)
    if len({parent.pk for parent in parents}) > 1:
        message = _("“%(argument)s” can only be used when the list belongs to a single object.")
        raise BadInput("after" if page_request.after is not None else "before", message)
    return DeferredPages(
        parents, _apply_cursors(queryset, order, page_request), parent_column, order, page_request
    )


def _page_columns(
    model: type[Model], selection: Selection | None, order: Order, *extra: str
) -> tuple[str, ...] | None:
    """The columns that a page's selection needs, None when it needs no row."""
    if selection is None:
        return all_columns(model)
    memo_key = (model, order, extra)
    if memo_key not in selection.memo:
        nodes = [
            *selection.subselections("nodes"),
            *(
                node
                for edge in selection.subselections("edges")
                for node in edge.subselections("node")
            ),
        ]
        cursor_columns = (order.column,) if selection.fields.keys() & {"edges", "pageInfo"} else ()
        selection.memo[memo_key] = (
            selected_columns(model, nodes, *extra, *cursor_columns)
            if nodes or cursor_columns
            else None
        )
    return selection.memo[memo_key]  # type: ignore[no-any-return] # a memo holds anything


def _page(rows: list[Any], order: Order, page_request: PageRequest, total: Total) -> Page:
    nodes = rows[: page_request.size]
    return Page(
        nodes[::-1] if page_request.is_backward else nodes,
        order,
        len(rows) > page_request.size,
        page_request,
        total,
    )


def _apply_cursors(
    queryset: QuerySet[Any], order: Order, page_request: PageRequest
) -> QuerySet[Any]:
    for argument, text, is_smaller in (
        ("after", page_request.after, order.descending),
        ("before", page_request.before, not order.descending),
    ):
        if text is not None:
            value, key = _decode_cursor(queryset, order, argument, text)
            operator = "lt" if is_smaller else "gt"
            queryset = queryset.filter(
                # An index finds the first rows of the page by this condition, which the other one
                # implies. Otherwise the database reads all rows before the page.
                Q(**{f"{order.column}__{operator}e": value}),
                Q(**{f"{order.column}__{operator}": value})
                | Q(**{order.column: value, f"id__{operator}": key}),
            )
    return queryset


def cursor(row: Model, order: Order) -> str:
    """A row's position in an order, opaque to clients."""
    return (
        urlsafe_b64encode(orjson.dumps([order.name, getattr(row, order.column), row.pk]))
        .decode()
        .rstrip("=")
    )


def _decode_cursor(
    queryset: QuerySet[Any], order: Order, argument: str, text: str
) -> tuple[Any, int]:
    try:
        name, value, key = orjson.loads(urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)))
        if name != order.name or type(key) is not int or abs(key) >= 2**63:
            raise ValueError(text)
        return _parse_value(queryset.model._meta.fields_map[order.column].field_type, value), key
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
