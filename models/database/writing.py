"""Finding, locking and storing single rows the cheap way, for the few verbs that are called all the time.

The ORM takes 150 to 300 microseconds to put a statement together and to look at each value. These statements are put together
once for each model and set of columns; the values go to the driver as they are, so they must be what the columns hold (an
enum's `value`).
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import DoesNotExist
from tortoise.models import Model

from models.database.instances import maker
from models.database.reading import every
from models.database.sql import dialect, records, rows

Row = TypeVar("Row", bound=Model)


async def insert(model: type[Row], values: Mapping[str, Any], db: BaseDBAsyncClient) -> Row:
    """Store a row with these columns, the others empty. Returns it; a column that was not given raises AttributeError."""
    statement, make = _insertion(model, tuple(values))
    stored = await rows(statement, *values.values(), db=db)
    row: Row = make([(stored[0]["id"], *values.values())])[0]
    return row


@cache
def _insertion(model: type[Model], columns: tuple[str, ...]) -> Any:
    names, places = ", ".join(columns), ", ".join("?" * len(columns))
    statement = f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES ({places}) RETURNING id'  # noqa: S608 - names of columns
    return statement, maker(model, ("id", *columns), "postgres")  # whose driver gives values as we have them here


async def locked(model: type[Row], key: int, db: BaseDBAsyncClient) -> Row:
    """The row as it stands, locked until the transaction ends. Raises DoesNotExist.

    New rows may refer to it meanwhile: else whoever writes one would wait, and be waited for, in an order of its own.
    """
    row = await one_locked(model, db, id=key)
    if row is None:
        raise DoesNotExist(model)
    return row


async def one_locked(model: type[Row], db: BaseDBAsyncClient, **by: Any) -> Row | None:
    """The row whose columns hold these values, locked like `locked`, if there is one."""
    return await one(model, db, " FOR NO KEY UPDATE" if dialect(db) == "postgres" else "", **by)  # SQLite has one writer


async def one(model: type[Row], db: BaseDBAsyncClient | None = None, lock: str = "", **by: Any) -> Row | None:
    """The row whose columns hold these values, if there is one."""
    statement, make = _search(model, tuple(by), lock, dialect(db))
    rows: list[Row] = make(await records(statement, *by.values(), db=db))
    return rows[0] if rows else None


@cache
def _search(model: type[Model], by: tuple[str, ...], lock: str, dialect: str) -> Any:
    columns, conditions = ", ".join(every(model)), " AND ".join(f"{name} = ?" for name in by)
    statement = f'SELECT {columns} FROM "{model._meta.db_table}" WHERE {conditions}{lock}'  # noqa: S608 - names of columns
    return statement, maker(model, every(model), dialect)
