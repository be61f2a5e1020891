"""Triggers by which the database refuses to change or delete rows, whoever tries."""

from collections.abc import Iterable

from tortoise.backends.base.client import BaseDBAsyncClient

from models.database.sql import dialect, execute

_SQLITE = (
    "CREATE TRIGGER {table}_unchanged BEFORE UPDATE ON {table} "
    "BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
    "CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} "
    "BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
)
_POSTGRES = (
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$",
    "CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE ON {table} "
    "FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER {table}_whole BEFORE TRUNCATE ON {table} "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
)


async def refuse_changes(db: BaseDBAsyncClient, tables: Iterable[str]) -> None:
    """Make the database refuse UPDATE and DELETE of these tables' rows."""
    statements = _SQLITE if dialect(db) == "sqlite" else _POSTGRES
    for table in tables:
        for statement in statements:
            await execute(statement.format(table=table), db=db)


async def allow_changes(db: BaseDBAsyncClient, tables: Iterable[str]) -> None:
    """Remove the triggers of `refuse_changes`, for a migration that fills a new column. The
    migration puts them back afterwards.
    """
    is_sqlite = dialect(db) == "sqlite"
    for table in tables:
        for name in ("kept", "unchanged" if is_sqlite else "whole"):
            clause = "" if is_sqlite else f" ON {table}"
            await execute(f"DROP TRIGGER {table}_{name}{clause}", db=db)


async def triggers_of(db: BaseDBAsyncClient, table: str) -> list[str]:
    """The CREATE TRIGGER statements of a table of SQLite, which vanish with the table."""
    rows = await execute(
        "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", table, db=db
    )
    return [row["sql"] for row in rows]
