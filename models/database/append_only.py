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
_SQLITE_FIVE_YEARS = (
    _SQLITE[0],
    "CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} "
    "WHEN OLD.{time} > strftime('%Y-%m-%d %H:%M:%S', 'now', '-5 years') "
    "BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END",
)
_POSTGRES_FIVE_YEARS = (
    "CREATE TRIGGER {table}_unchanged BEFORE UPDATE ON {table} "
    "FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} FOR EACH ROW "
    "WHEN (OLD.{time} > now() - interval '5 years') EXECUTE FUNCTION refuse_change()",
    _POSTGRES[2],
)


async def refuse_changes(db: BaseDBAsyncClient, tables: Iterable[str]) -> None:
    """Make the database refuse UPDATE and DELETE of these tables' rows."""
    statements = _SQLITE if dialect(db) == "sqlite" else _POSTGRES
    for table in tables:
        for statement in statements:
            await execute(statement.format(table=table), db=db)


async def refuse_changes_for_five_years(
    db: BaseDBAsyncClient, table: str, time_column: str
) -> None:
    """Make the database refuse UPDATE of a table's rows, and DELETE of those whose time is less
    than five years ago. Replaces the triggers of `refuse_changes`.
    """
    await allow_changes(db, [table])
    statements = _SQLITE_FIVE_YEARS if dialect(db) == "sqlite" else _POSTGRES_FIVE_YEARS
    for statement in statements:
        await execute(statement.format(table=table, time=time_column), db=db)


async def allow_changes(db: BaseDBAsyncClient, tables: Iterable[str]) -> None:
    """Remove the triggers of `refuse_changes`, for a migration that fills a new column. The
    migration puts them back afterwards.
    """
    is_sqlite = dialect(db) == "sqlite"
    for table in tables:
        for name in ("kept", "unchanged", "whole"):
            clause = "" if is_sqlite else f" ON {table}"
            await execute(f"DROP TRIGGER IF EXISTS {table}_{name}{clause}", db=db)


async def triggers_of(db: BaseDBAsyncClient, table: str) -> list[str]:
    """The CREATE TRIGGER statements of a table of SQLite, which vanish with the table."""
    rows = await execute(
        "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", table, db=db
    )
    return [row["sql"] for row in rows]
