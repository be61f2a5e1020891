"""The client for SQLite: the ORM's own, whose transactions begin as writers.

A transaction that begins by reading and writes later fails at once when another process has written in between, however long
`busy_timeout` is: its view of the database is old (https://www.sqlite.org/isolation.html). One that begins as a writer waits
for its turn.
"""

import asyncio
import sqlite3

from tortoise.backends.base.client import TransactionalDBClient, TransactionContext
from tortoise.backends.sqlite.client import SqliteClient, SqliteTransactionContext, SqliteTransactionWrapper
from tortoise.connection import get_connections
from tortoise.exceptions import OperationalError


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
