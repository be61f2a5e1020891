"""The client for SQLite: the ORM's own, whose transactions begin as writers.

A transaction that begins by reading and writes later fails at once when another process has written in between, however long
`busy_timeout` is: its view of the database is old (https://www.sqlite.org/isolation.html). One that begins as a writer waits
for its turn.
"""

import asyncio
import sqlite3
from typing import Any

from tortoise.backends.base.client import TransactionalDBClient, TransactionContext
from tortoise.backends.sqlite.client import SqliteClient, SqliteTransactionContext, SqliteTransactionWrapper
from tortoise.connection import get_connections
from tortoise.exceptions import OperationalError
from tortoise.fields.relational import ForeignKeyFieldInstance
from tortoise.migrations import executor
from tortoise.migrations.schema_editor import SqliteSchemaEditor


class Writer(SqliteTransactionWrapper):
    """One transaction."""

    async def begin(self) -> None:
        """Wait for the database, `busy_timeout` at most. Raises OperationalError."""
        try:
            await self._connection.commit()
            await self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise OperationalError(error) from error


class Turn(SqliteTransactionContext):
    """Holds the process's only connection for one transaction, and lets go of it also where that can't begin."""

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
        except asyncio.CancelledError:  # it begins nevertheless, in the driver's thread
            await self.connection.rollback()
            raise


class Client(SqliteClient):
    """The ORM's client with such transactions."""

    def _in_transaction(self) -> TransactionContext:
        return Turn(Writer(self), self._lock)


client_class = Client


class Editor(SqliteSchemaEditor):
    """What migrations change tables by. The ORM's own makes a table anew to take a column away, and forgets its indexes then,
    and that a foreign key's column goes with the key."""

    async def _remake_table(
        self, model: Any, create_field: Any = None, delete_field: Any = None, alter_fields: Any = None
    ) -> None:
        table = model._meta.db_table
        indexes = await self._indexes(table)
        await super()._remake_table(model, create_field, delete_field, alter_fields)
        gone = None
        if isinstance(delete_field, ForeignKeyFieldInstance):
            gone = delete_field.source_field or f"{delete_field.model_field_name}_id"
            for name in {name for name, text in (await self._indexes(table)).items() if f'"{gone}"' in text}:
                await self.client.execute_query(f'DROP INDEX "{name}"')
            await self.client.execute_query(f'ALTER TABLE "{table}" DROP COLUMN "{gone}"')
        elif delete_field:
            gone = delete_field.source_field or delete_field.model_field_name
        for name in indexes.keys() - (await self._indexes(table)).keys():
            if f'"{gone}"' not in indexes[name]:
                await self.client.execute_query(indexes[name])

    async def _indexes(self, table: str) -> dict[str, str]:
        written = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL"
        _, found = await self.client.execute_query(written, [table])
        return {index["name"]: index["sql"] for index in found}


executor.SqliteSchemaEditor = Editor  # type: ignore[attr-defined] # the ORM has no other place to name it
