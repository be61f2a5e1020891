"""The SQLite client that Tortoise loads by name. Its transactions start with BEGIN IMMEDIATE,
reports have a connection of their own, and temporary errors become ServiceUnavailable.

A deferred transaction that reads first and writes later fails at once if another process has
written in between, whatever `busy_timeout` is, because its snapshot is out of date
(https://www.sqlite.org/isolation.html). One that starts as a writer waits until the other writer
has finished.

All statements but those of reports share one connection. In WAL mode a second connection reads
beside it, in a thread of its own, so a report of several seconds delays nobody else. Those who wait
for it take turns by person (models/database/fair_queue.py).
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiosqlite
from tortoise.backends.base.client import (
    ConnectionWrapper,
    TransactionalDBClient,
    TransactionContext,
)
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

from models.database.append_only import triggers_of
from models.database.failures import as_service_error
from models.database.fair_queue import FairQueue
from models.database.options import DatabaseOptions
from models.database.pool import PoolUsage
from models.database.workload import Workload, current_person, current_workload
from models.tracing import TracedStatements

_INTERRUPT_SECONDS = 0.01


class ImmediateTransaction(TracedStatements, SqliteTransactionWrapper):
    """A transaction that starts as a writer."""

    async def begin(self) -> None:
        """Start the transaction. Waits for other writers for at most `busy_timeout`, then raises
        ServiceUnavailable.
        """
        async with _translation():
            await self._connection.commit()
            await self._connection.execute("BEGIN IMMEDIATE")

    async def commit(self) -> None:
        """Commit the transaction, or roll it back and raise ServiceUnavailable."""
        try:
            async with _translation():
                await super().commit()
        except BaseException:
            await self.rollback()  # SQLite leaves it open, such as when the disk is full
            raise

    async def rollback(self) -> None:
        """Roll the transaction back. SQLite may have done so already after an error."""
        with suppress(sqlite3.Error):
            await super().rollback()
        self._finalized = True

    def acquire_connection(self) -> Any:
        return _Statement(self._lock, self)


@asynccontextmanager
async def _translation() -> AsyncIterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if unavailable := as_service_error(error):
            raise unavailable from error
        raise OperationalError(error) from error


class _Statement(ConnectionWrapper[aiosqlite.Connection]):
    """A connection held for one statement."""

    async def __aenter__(self) -> aiosqlite.Connection:
        await self._lock.acquire()
        try:
            async with _translation():
                await self.ensure_connection()
        except BaseException:
            self._lock.release()  # Tortoise keeps it, and the next statement waits for ever
            raise
        return self.connection

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        await super().__aexit__(kind, error, trace)
        if isinstance(error, sqlite3.Error) and (unavailable := as_service_error(error)):
            raise unavailable from error


class _ReportStatement(_Statement):
    """The connection for reports, held for one statement."""

    client: "ReportClient"

    async def __aenter__(self) -> aiosqlite.Connection:
        self._admission = await self.client.queue.enter(current_person(), transaction=False)
        try:
            return await super().__aenter__()
        except BaseException:
            self.client.queue.leave(self._admission)
            raise

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, asyncio.CancelledError):
            interruption = asyncio.create_task(self._interrupt_and_leave(kind, error, trace))
            self.client.interruptions.add(interruption)  # the event loop keeps weak references
            interruption.add_done_callback(self.client.interruptions.discard)
            await asyncio.shield(interruption)  # this task may be cancelled again
        else:
            await self._leave(kind, error, trace)

    async def _interrupt_and_leave(self, kind: Any, error: Any, trace: Any) -> None:
        """Interrupt the statement, which otherwise goes on in the driver's thread. It may not have
        begun there, so this is repeated until the thread has executed what follows it.
        """
        following = asyncio.ensure_future(self.connection.rollback())  # rolls nothing back
        while not following.done():
            await self.connection.interrupt()
            await asyncio.wait([following], timeout=_INTERRUPT_SECONDS)
        await self._leave(kind, error, trace)

    async def _leave(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            await super().__aexit__(kind, error, trace)
        finally:
            self.client.queue.leave(self._admission)


class ReportClient(SqliteClient):
    """A second connection to the same file, which can't write."""

    def __init__(self, file_path: str, **settings: Any) -> None:
        super().__init__(file_path, **settings)
        self.pragmas["query_only"] = "ON"
        self.interruptions: set[asyncio.Task[None]] = set()
        self.queue = FairQueue(1, share=1, transactions=0, wait=DatabaseOptions.report_timeout)

    def acquire_connection(self) -> Any:
        return _ReportStatement(self._lock, self)


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


class ImmediateClient(TracedStatements, SqliteClient):
    """Tortoise's SQLite client with immediate transactions, and a connection for reports."""

    def __init__(self, file_path: str, **settings: Any) -> None:
        super().__init__(file_path, **settings)
        self._reports = ReportClient(file_path, **settings)

    async def create_connection(self, with_db: bool) -> None:
        try:
            await super().create_connection(with_db)
        except BaseException:
            await self._close_incomplete_connection()
            raise

    async def _close_incomplete_connection(self) -> None:
        """Close a connection that lacks its PRAGMAs, so that no statement uses it."""
        connection, self._connection = self._connection, None
        if connection:
            with suppress(sqlite3.Error):
                await connection.close()

    def usage(self) -> list[PoolUsage]:
        """How the connection for reports is used. All other statements share one without a
        queue of ours.
        """
        return [PoolUsage.of(Workload.REPORTS, self._reports.queue)]

    def acquire_connection(self) -> Any:
        if current_workload() is Workload.REPORTS:
            return self._reports.acquire_connection()
        return _Statement(self._lock, self)

    async def close(self) -> None:
        await self._reports.close()
        await super().close()

    def _in_transaction(self) -> TransactionContext:
        return ImmediateTransactionContext(ImmediateTransaction(self), self._lock)


client_class = ImmediateClient  # where Tortoise looks for a backend's client


class SchemaEditor(SqliteSchemaEditor):
    """Alters tables for migrations.

    To remove a column, Tortoise's own editor creates the table again, loses its indexes and
    triggers, and keeps the column of a removed foreign key. This one restores the former and
    removes that column.
    """

    async def _remake_table(
        self,
        model: Any,
        create_field: Any = None,
        delete_field: Any = None,
        alter_fields: Any = None,
    ) -> None:
        table = model._meta.db_table
        indexes, triggers = await self._indexes(table), await triggers_of(self.client, table)
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
        for trigger in triggers:
            await self.client.execute_query(trigger)

    async def _indexes(self, table: str) -> dict[str, str]:
        """The CREATE INDEX statements of a table, by the name of the index."""
        query = (
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS "
            "NOT NULL"
        )
        _, rows = await self.client.execute_query(query, [table])
        return {row["name"]: row["sql"] for row in rows}


executor.SqliteSchemaEditor = SchemaEditor  # type: ignore[attr-defined] # Tortoise has no setting for it
