"""Plain SQL for the few statements the ORM has no words for, or takes too long over; written once for both databases."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.connection import get_connection

from models.database.postgres import Client


async def rows(statement: str, *values: Any, db: BaseDBAsyncClient | None = None) -> list[dict[str, Any]]:
    """Run one statement with `?` placeholders; its rows as dictionaries. Joins the caller's transaction."""
    connection = db or get_connection("default")
    return await connection.execute_query_dict(_spelt(statement, dialect(connection)), list(values))


async def records(statement: str, *values: Any, db: BaseDBAsyncClient | None = None) -> Sequence[Sequence[Any]]:
    """Run a SELECT with `?` placeholders; its rows as the driver has them, by position, not copied."""
    connection = db or get_connection("default")
    text = _spelt(statement, dialect(connection))
    if isinstance(connection, Client):
        return await connection.read(text, list(values))
    _, found = await connection.execute_query(text, list(values))
    return found  # type: ignore[return-value] # records of asyncpg and rows of sqlite3 are sequences, whatever Tortoise says


def dialect(db: BaseDBAsyncClient | None = None) -> str:
    """`sqlite` or `postgres`."""
    return (db or get_connection("default")).capabilities.dialect


@lru_cache(500)
def _spelt(statement: str, dialect: str) -> str:
    if dialect != "postgres":
        return statement
    head, *tail = statement.split("?")
    return head + "".join(f"${position}{part}" for position, part in enumerate(tail, 1))
