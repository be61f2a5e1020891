"""Run SQL that the ORM can't express or is too slow at. Each statement is written once, for both
databases.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.connection import get_connection, get_connections

from models.database.postgres import PostgresClient
from models.database.workload import Workload, workload

ANALYTICS = "analytics"  # the connection to the copy of the database that analysts read, if any


async def execute(
    statement: str, *params: Any, db: BaseDBAsyncClient | None = None
) -> list[dict[str, Any]]:
    """Execute a statement with `?` placeholders and return its rows as dictionaries. Joins the
    caller's transaction.
    """
    connection = db or get_connection("default")
    return await connection.execute_query_dict(
        _with_numbered_placeholders(statement, dialect(connection)), list(params)
    )


async def execute_report(statement: str, *params: Any) -> Sequence[Mapping[str, Any]]:
    """Execute a statement of an analyst's report, on the analysts' copy of the database if there is
    one, else on the connections for reports. Returns the driver's own rows, whose values are
    accessed by name: there may be thousands, and dictionaries of them would hold up the event loop.
    """
    name = ANALYTICS if ANALYTICS in (get_connections().db_config or {}) else "default"
    with workload(Workload.REPORTS):
        return await fetch_records(statement, *params, db=get_connection(name))  # type: ignore[return-value] # asyncpg's and sqlite3's rows are both


async def fetch_records(
    statement: str, *params: Any, db: BaseDBAsyncClient | None = None
) -> Sequence[Sequence[Any]]:
    """Execute a SELECT with `?` placeholders and return the driver's own rows, whose values are
    accessed by position.
    """
    connection = db or get_connection("default")
    sql = _with_numbered_placeholders(statement, dialect(connection))
    if isinstance(connection, PostgresClient):
        return await connection.read(sql, list(params))
    _, records = await connection.execute_query(sql, list(params))
    return records  # type: ignore[return-value] # asyncpg's and sqlite3's rows are sequences, despite Tortoise's annotation


def dialect(db: BaseDBAsyncClient | None = None) -> str:
    """The SQL dialect of a connection, or of the default one: `sqlite` or `postgres`."""
    return (db or get_connection("default")).capabilities.dialect


@lru_cache(500)
def _with_numbered_placeholders(statement: str, dialect: str) -> str:
    if dialect != "postgres":
        return statement
    head, *tail = statement.split("?")
    return head + "".join(f"${position}{part}" for position, part in enumerate(tail, 1))
