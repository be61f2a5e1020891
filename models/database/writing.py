"""Insert, find and lock single rows quickly, for the few operations that run all the time.

The ORM takes 150 to 300 microseconds to build a statement and to convert each value. These
statements are built once for each model and set of columns. Values go to the driver unconverted, so
they have to be what the columns store (an enum's `value`).
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import DoesNotExist
from tortoise.models import Model

from models.database.instances import row_factory
from models.database.reading import all_columns
from models.database.sql import dialect, execute, fetch_records

Row = TypeVar("Row", bound=Model)


async def insert(model: type[Row], values: Mapping[str, Any], db: BaseDBAsyncClient) -> Row:
    """Insert a row with values for these columns and return it. Accessing any other column of it
    raises AttributeError.
    """
    statement, create_rows = _insert_statement(model, tuple(values))
    rows = await execute(statement, *values.values(), db=db)
    row: Row = create_rows([(rows[0]["id"], *values.values())])[0]
    return row


async def insert_all(
    model: type[Model], rows: Sequence[Mapping[str, Any]], db: BaseDBAsyncClient
) -> list[int]:
    """Insert rows that all have values for the same columns, in one statement. Returns their keys,
    in order.
    """
    if not rows:
        return []
    inserted = await execute(
        _insert_all_statement(model, tuple(rows[0]), len(rows)),
        *(value for row in rows for value in row.values()),
        db=db,
    )
    return sorted(row["key"] for row in inserted)


@cache
def _insert_all_statement(model: type[Model], columns: tuple[str, ...], count: int) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    places = ", ".join([f"({', '.join('?' * len(columns))})"] * count)
    return (
        f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES {places} '  # noqa: S608 - column names
        f'RETURNING "{model._meta.pk_attr}" AS key'
    )


@cache
def _insert_statement(model: type[Model], columns: tuple[str, ...]) -> Any:
    names, placeholders = ", ".join(columns), ", ".join("?" * len(columns))
    statement = (
        f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES ({placeholders}) RETURNING id'  # noqa: S608 - column names
    )
    # Its driver returns values in the types that we have here.
    return statement, row_factory(model, ("id", *columns), "postgres")


async def lock_row(model: type[Row], key: int, db: BaseDBAsyncClient) -> Row:
    """Lock the row with this primary key until the transaction ends, and return its current state.
    Raises DoesNotExist.

    On PostgreSQL the lock is FOR NO KEY UPDATE, which lets others insert rows that refer to this
    one. FOR UPDATE would make them wait, and could deadlock with transactions that take their locks
    in another order.
    """
    # SQLite has one writer.
    row = await find_one(
        model, db, " FOR NO KEY UPDATE" if dialect(db) == "postgres" else "", id=key
    )
    if row is None:
        raise DoesNotExist(model)
    return row


async def find_one(
    model: type[Row], db: BaseDBAsyncClient | None = None, locking_clause: str = "", **columns_: Any
) -> Row | None:
    """Return the row whose columns have these values, or None. `locking_clause` is appended to the
    SELECT.
    """
    statement, create_rows = _select_statement(model, tuple(columns_), locking_clause, dialect(db))
    rows: list[Row] = create_rows(await fetch_records(statement, *columns_.values(), db=db))
    return rows[0] if rows else None


@cache
def _select_statement(
    model: type[Model], columns_: tuple[str, ...], locking_clause: str, dialect: str
) -> Any:
    columns, conditions = (
        ", ".join(all_columns(model)),
        " AND ".join(f"{name} = ?" for name in columns_),
    )
    statement = f'SELECT {columns} FROM "{model._meta.db_table}" WHERE {conditions}{locking_clause}'  # noqa: S608 - column names
    return statement, row_factory(model, all_columns(model), dialect)
