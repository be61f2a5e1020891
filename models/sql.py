"""Plain SQL for the few statements the ORM has no words for, written once for both databases."""

from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.connection import get_connection


async def rows(statement: str, *values: Any, db: BaseDBAsyncClient | None = None) -> list[dict[str, Any]]:
    """Run one statement with `?` placeholders; its rows as dictionaries. Joins the caller's transaction."""
    connection = db or get_connection("default")
    if dialect(connection) == "postgres":
        statement = _numbered(statement)
    return await connection.execute_query_dict(statement, list(values))


def dialect(db: BaseDBAsyncClient | None = None) -> str:
    """`sqlite` or `postgres`."""
    return (db or get_connection("default")).capabilities.dialect


def _numbered(statement: str) -> str:
    head, *tail = statement.split("?")
    return head + "".join(f"${position}{part}" for position, part in enumerate(tail, 1))
