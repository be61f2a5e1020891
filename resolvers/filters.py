"""Filters and orders of lists: typed conditions on indexed columns, and the columns a list can be
ordered by.
"""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

import strawberry
from tortoise.queryset import QuerySet

from models.errors import BadInput
from models.translations import _
from resolvers.descriptions import describe_enum
from resolvers.paging import MAX_PAGE_SIZE, Order

T = TypeVar("T")
Rows = QuerySet[Any]


class OrderDirection(StrEnum):
    """Whether an order is ascending or descending."""

    ASC = "ASC"
    DESC = "DESC"


describe_enum(
    OrderDirection,
    "The direction of an order. Objects with equal values are ordered by ID in the same direction.",
    {
        "ASC": "Ascending order: the smallest or earliest value first.",
        "DESC": "Descending order: the largest or most recent value first.",
    },
)


@strawberry.input(description="Conditions on a value. All given conditions must be met.")
class Filter(Generic[T]):
    eq: T | None = strawberry.field(default=None, description="The value equals this one.")
    in_: list[T] | None = strawberry.field(
        name="in",
        default=None,
        description="The value is one of these. An empty list matches nothing.",
    )


@strawberry.input(description="Conditions on a string. All given conditions must be met.")
class StringFilter:
    eq: str | None = strawberry.field(default=None, description="The string equals this one.")
    in_: list[str] | None = strawberry.field(
        name="in",
        default=None,
        description="The string is one of these, at most 100. An empty list matches nothing.",
    )


@strawberry.input(description="Conditions on an ID. All given conditions must be met.")
class IdFilter:
    eq: strawberry.ID | None = strawberry.field(default=None, description="The ID equals this one.")
    in_: list[strawberry.ID] | None = strawberry.field(
        name="in",
        default=None,
        description="The ID is one of these, at most 100. An empty list matches nothing.",
    )


@strawberry.input(description="A range of time. All given conditions must be met.")
class DateTimeFilter:
    gte: datetime | None = strawberry.field(default=None, description="At this time or later.")
    lt: datetime | None = strawberry.field(default=None, description="Before this time.")


@strawberry.input(description="A range of days. All given conditions must be met.")
class DateFilter:
    gte: date | None = strawberry.field(default=None, description="On this day or later.")
    lt: date | None = strawberry.field(default=None, description="Before this day.")


class _OneOf(Protocol):
    eq: Any
    in_: Any


class _Range(Protocol):
    gte: Any
    lt: Any


class _OrderBy(Protocol):
    field: Any
    direction: OrderDirection


def accepted_values(condition: _OneOf | None) -> list[Any] | None:
    """The values that a filter accepts, without duplicates; None when it accepts all of them."""
    if condition is None or (condition.eq is None and condition.in_ is None):
        return None
    values = [condition.eq] if condition.in_ is None else list(dict.fromkeys(condition.in_))
    return values if condition.eq is None else [value for value in values if value == condition.eq]


def check_value_count(values: list[Any]) -> list[Any]:
    """Return the values unchanged. Raises BadInput for more than a hundred."""
    if len(values) > MAX_PAGE_SIZE:
        raise BadInput(
            "in", _("“%(argument)s” can hold at most %(maximum)s values."), maximum=MAX_PAGE_SIZE
        )
    return values


def filter_in(rows: Rows, column: str, values: list[Any] | None) -> Rows:
    """The rows whose column has one of these values; all of them when there is no condition."""
    if values is None:
        return rows
    return rows.filter(**({column: values[0]} if len(values) == 1 else {f"{column}__in": values}))


def filter_range(rows: Rows, column: str, date_range: _Range | None) -> Rows:
    """The rows whose column lies in a range."""
    for operator in ("gte", "lt"):
        if (value := getattr(date_range, operator, None)) is not None:
            limit = value.astimezone(UTC) if isinstance(value, datetime) else value
            rows = rows.filter(**{f"{column}__{operator}": limit})
    return rows


def requested_order(order_by: _OrderBy | None) -> Order | None:
    """The order that a client chose, if it did."""
    return (
        None
        if order_by is None
        else Order(order_by.field.value, order_by.direction is OrderDirection.DESC)
    )


def order_or_default(order_by: _OrderBy | None, default: Order) -> Order:
    """The order that a client chose, or the list's own."""
    return requested_order(order_by) or default
