"""A copy of the data of a large vendor in SQLite, the database of an installation without settings.

PostgreSQL makes the rows (large_data.py), so both databases are measured with the same ones.
"""

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg

from models.database.connection import migrate_database

_BATCH = 5_000  # rows
_OWN_TABLES = ("sqlite_", "search_entry_fts", "tortoise_")  # of SQLite, its index, the migrations


def copy_to_sqlite(url: str, path: Path) -> str:
    """Copy all rows of a PostgreSQL database to a new SQLite database. Returns its URL."""
    copy_url = f"sqlite://{path}"
    asyncio.run(migrate_database(copy_url))
    asyncio.run(_copy(url.replace("postgres://", "postgresql://", 1), path))
    return copy_url


async def _copy(url: str, path: Path) -> None:
    source, copy = await asyncpg.connect(url), sqlite3.connect(path)
    try:
        copy.execute("PRAGMA foreign_keys = OFF")
        triggers = _drop_triggers(copy)
        tables = copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            if not table.startswith(_OWN_TABLES):
                await _copy_table(source, copy, table)
        for definition in triggers:
            copy.execute(definition)
        copy.commit()
    finally:
        copy.close()
        await source.close()


def _drop_triggers(copy: sqlite3.Connection) -> list[str]:
    """Drop the triggers that check what is changed, and return their definitions. Those that fill
    the full-text index stay.
    """
    triggers = copy.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name <> 'search_entry'"
    ).fetchall()
    for name, _ in triggers:
        copy.execute(f'DROP TRIGGER "{name}"')
    return [definition for _, definition in triggers]


async def _copy_table(source: asyncpg.Connection, copy: sqlite3.Connection, table: str) -> None:
    columns = [row[1] for row in copy.execute(f'PRAGMA table_info("{table}")')]
    names = ", ".join(f'"{each}"' for each in columns)
    copy.execute(f'DELETE FROM "{table}"')  # noqa: S608 - a table
    async with source.transaction():
        cursor = await source.cursor(f'SELECT {names} FROM "{table}"')  # noqa: S608 - our own names
        while rows := await cursor.fetch(_BATCH):
            copy.executemany(
                f'INSERT INTO "{table}" ({names}) VALUES ({", ".join("?" * len(columns))})',  # noqa: S608 - our own names
                map(_stored, rows),
            )


def _stored(row: Sequence[Any]) -> list[Any]:
    return [_value(each) for each in row]


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | dict):
        return json.dumps(value)
    return str(value) if isinstance(value, Decimal) or type(value).__name__ == "UUID" else value
