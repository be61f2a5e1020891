"""An SQLite client for Tortoise whose transactions start with BEGIN IMMEDIATE.

A deferred transaction that reads first and writes later fails at once if another process has
written in between, whatever `busy_timeout` is, because its snapshot is out of date
(https://www.sqlite.org/isolation.html). One that starts as a writer waits until the other writer
has finished.
"""

import asyncio
import sqlite3
from typing import Any

from tortoise.backends.base.client import TransactionalDBClient, TransactionContext
from tortoise.backends.sqlite.client import (
    SqliteClient,
    SqliteTransactionContext,
    SqliteTransactionWrapper,
)
from tortoise.connection import get_connections
from tortoise.exceptions import OperationalError
from tortoise.fields.relational import ForeignKeyFieldInstance
from tortoise.migrations import executor
from tortoise.migrations.schema_editor import SqliteSchemaEditor


class ImmediateTransaction(SqliteTransactionWrapper):
    """A transaction that starts as a writer."""

    async def begin(self) -> None:
        """Start the transaction. Waits for other writers for at most `busy_timeout`, then raises
        OperationalError.
        """
        try:
            await self._connection.commit()
            await self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise OperationalError(error) from error


class ImmediateTransactionContext(SqliteTransactionContext):
    """Holds the process's only connection during one transaction, and releases it if the
    transaction can't start.
    """

    async def __aenter__(self) -> TransactionalDBClient:
        await self._trxlock.acquire()
        try:
            await self.ensure_connection()
            await self._begin()
        except BaseException:
            self._trxlock.release()
            raise
        self.token = get_connections().set(self.connection_name, self.connection)
        transaction: TransactionalDBClient = self.connection
        return transaction

    async def _begin(self) -> None:
        try:
            await self.connection.begin()
        except asyncio.CancelledError:  # the driver's thread starts it nevertheless
            await self.connection.rollback()
            raise


class ImmediateClient(SqliteClient):
    """Tortoise's SQLite client with immediate transactions."""

    def _in_transaction(self) -> TransactionContext:
        return ImmediateTransactionContext(ImmediateTransaction(self), self._lock)


client_class = ImmediateClient  # where Tortoise looks for a backend's client


class SchemaEditor(SqliteSchemaEditor):
    """Alters tables for migrations.

    To remove a column, Tortoise's own editor creates the table again, loses its indexes, and keeps
    the column of a removed foreign key. This one restores the indexes and removes that column.
    """

    async def _remake_table(
        self,
        model: Any,
        create_field: Any = None,
        delete_field: Any = None,
        alter_fields: Any = None,
    ) -> None:
        table = model._meta.db_table
        indexes = await self._indexes(table)
        await super()._remake_table(model, create_field, delete_field, alter_fields)
        removed_column = None
        if isinstance(delete_field, ForeignKeyFieldInstance):
            removed_column = delete_field.source_field or f"{delete_field.model_field_name}_id"
            for name in {
                name
                for name, sql in (await self._indexes(table)).items()
                if f'"{removed_column}"' in sql
            }:
                await self.client.execute_query(f'DROP INDEX "{name}"')
            await self.client.execute_query(f'ALTER TABLE "{table}" DROP COLUMN "{removed_column}"')
        elif delete_field:
            removed_column = delete_field.source_field or delete_field.model_field_name
        for name in indexes.keys() - (await self._indexes(table)).keys():
            if f'"{removed_column}"' not in indexes[name]:
                await self.client.execute_query(indexes[name])

    async def _indexes(self, table: str) -> dict[str, str]:
        """The CREATE INDEX statements of a table, by the name of the index."""
        query = (
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS "
            "NOT NULL"
        )
        _, rows = await self.client.execute_query(query, [table])
        return {row["name"]: row["sql"] for row in rows}


executor.SqliteSchemaEditor = SchemaEditor  # type: ignore[attr-defined] # Tortoise has no setting for it
