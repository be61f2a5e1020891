"""Read the rows of a queryset in one statement, with the requested columns only.

A queryset says which rows (`visible_to` and filters); `read` adds which columns, in which order and
how many. On PostgreSQL the ORM takes 300 microseconds for the first row of 9 columns and 10 for
each further one; `read` takes 50 and 1.2. Statements are cached by the shape of the query
(models/database/statement.py), and instances are built by generated code
(models/database/instances.py).

A row with some of its columns is an instance of a subclass of the model: its properties and methods
work as far as the columns they need were read. Such a row can't be saved.
"""

from collections.abc import Collection
from typing import Any, TypeVar

from tortoise.connection import get_connection
from tortoise.expressions import Q
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.database.postgres import PostgresClient
from models.database.statement import ReadOptions, bind

Row = TypeVar("Row", bound=Model)


def all_columns(model: type[Model]) -> tuple[str, ...]:
    """The names of a model's columns, in the order of their declaration."""
    return tuple(model._meta.fields_db_projection)


def rows_where(model: type[Row], condition: Q) -> QuerySet[Row]:
    """The rows of a model that meet a condition. Same as `model.filter(condition)`, which copies
    the queryset and takes 20 microseconds.
    """
    queryset = QuerySet(model)
    queryset._q_objects.append(condition)
    return queryset


async def read(
    queryset: QuerySet[Row],
    columns: tuple[str, ...] | None = None,
    *order: str,
    where_in: tuple[str, Collection[Any]] | None = None,
    limit: int | None = None,
    per_key: bool = False,
) -> list[Row]:
    """Return the rows of a queryset that has filters only, with the given columns (all when
    omitted).

    `order` names columns, with a leading `-` for descending order. `where_in` is a column and the
    keys that its value must be one of. With `per_key`, `limit` applies to the rows of each key, and
    `order` to the whole list. Accessing a column that was not read raises AttributeError. Joins the
    caller's transaction.

    Raises TypeError for a queryset with anything but filters (annotations, its own limit,
    select_related, ...).
    """
    key_column, keys = where_in or (None, None)
    options = ReadOptions(
        columns or all_columns(queryset.model), order, limit is not None, key_column, per_key
    )
    db = queryset._db or get_connection("default")
    sql, params, create_rows = bind(queryset, options, db.capabilities.dialect, keys, limit)
    return create_rows(
        await db.read(sql, params)
        if isinstance(db, PostgresClient)
        else (await db.execute_query(sql, params))[1]
    )


async def count_up_to(queryset: QuerySet[Row], limit: int) -> int:
    """Return the number of rows of a queryset that has filters only, at most `limit`: no more than
    those are looked at. Joins the caller's transaction. Raises TypeError as `read` does.
    """
    options = ReadOptions((queryset.model._meta.pk_attr,), (), True, None, False)
    db = queryset._db or get_connection("default")
    sql, params, _ = bind(queryset, options, db.capabilities.dialect, None, limit)
    statement = f'SELECT COUNT(*) FROM ({sql}) AS "counted"'  # noqa: S608 - a statement of ours
    if isinstance(db, PostgresClient):
        return int((await db.read(statement, params))[0][0])
    return int((await db.execute_query(statement, params))[1][0][0])
