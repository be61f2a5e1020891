"""The PostgreSQL client that Tortoise loads by name: connections come from the pools of
models/database/pool.py, and temporary errors become ServiceUnavailable.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.backends.base.client import (
    NestedTransactionContext,
    TransactionalDBClient,
    TransactionContext,
)
from tortoise.connection import get_connections

from models.database.options import DatabaseOptions
from models.database.pool import Lease, Pools, PoolUsage, is_reported
from models.errors import ServiceUnavailable
from models.tracing import TracedStatements, trace_statement


class PostgresClient(TracedStatements, AsyncpgDBClient):
    """Tortoise's asyncpg client with our pools."""

    _pool: Any

    async def create_pool(self, **settings: Any) -> Any:
        options: DatabaseOptions = settings.pop("options")
        pool_sizes = {"min_size", "max_size"}  # of asyncpg's pool
        return Pools(
            options, {name: value for name, value in settings.items() if name not in pool_sizes}
        )

    async def pools(self) -> Pools:
        """The pools, which exist from the first statement on."""
        if not self._pool:
            async with self._pool_init_lock:
                if not self._pool:
                    await self.create_connection(with_db=True)
        pools: Pools = self._pool
        return pools

    def usage(self) -> list[PoolUsage]:
        """How the connections are used, empty before the first statement."""
        pools: Pools | None = self._pool
        return pools.usage() if pools else []

    def read(self, statement: str, params: list[Any]) -> Coroutine[Any, Any, list[Any]]:
        """Execute one statement outside any transaction and return asyncpg's records. Raises
        ServiceUnavailable.
        """
        self.log.debug("%s", statement)  # without its parameters, which may be personal data
        pools: Pools | None = self._pool
        return trace_statement(
            statement,
            pools.current.read(statement, params) if pools else self._read(statement, params),
        )

    async def _read(self, statement: str, params: list[Any]) -> list[Any]:
        return await (await self.pools()).current.read(statement, params)

    def acquire_connection(self) -> Any:
        return _Statement(self)

    def _in_transaction(self) -> TransactionContext:
        return PostgresTransactionContext(self)


class _Statement:
    """The connection that Tortoise executes one statement on."""

    def __init__(self, client: PostgresClient) -> None:
        self._client = client

    async def __aenter__(self) -> Any:
        self._pools = await self._client.pools()
        self._pool = self._pools.current
        self._lease = await self._pool.acquire(transaction=False)
        return self._lease.connection

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._pool.release(self._lease, reuse=error is None or is_reported(error))
        if error:
            self._pools.raise_service_error(error)


class PostgresTransaction(TracedStatements, TransactionWrapper):
    """A transaction, or a savepoint inside of one."""

    def __init__(self, parent: Any, pools: Pools) -> None:
        super().__init__(parent)
        self._pools = pools

    def _in_transaction(self) -> TransactionContext:
        return NestedTransactionContext(PostgresTransaction(self, self._pools))

    def acquire_connection(self) -> Any:
        return _StatementInTransaction(self._lock, self._connection, self._pools)


class _StatementInTransaction:
    """The connection of a transaction, for one statement at a time."""

    def __init__(self, lock: asyncio.Lock, connection: Any, pools: Pools) -> None:
        self._lock, self._connection, self._pools = lock, connection, pools

    async def __aenter__(self) -> Any:
        await self._lock.acquire()
        return self._connection

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._lock.release()
        if error:
            self._pools.raise_service_error(error)


class PostgresTransactionContext(TransactionContext):
    """Acquires a connection for a transaction, and releases it afterwards."""

    def __init__(self, parent: PostgresClient) -> None:
        self.connection_name = parent.connection_name
        self._parent = parent

    async def __aenter__(self) -> TransactionalDBClient:
        self._pools = await self._parent.pools()
        self._pool = self._pools.current
        self._lease: Lease = await self._pool.acquire(transaction=True)
        self.client = PostgresTransaction(self._parent, self._pools)
        self.client._connection = self._lease.connection
        try:
            await self.client.begin()
        except BaseException as error:
            self._pool.release(self._lease, reuse=False)
            self._pools.raise_service_error(error)
            raise
        self._token = get_connections().set(self.connection_name, self.client)
        return self.client

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        get_connections().reset(self._token)
        ended = False
        try:
            if not self._pools.was_lost_since(self._lease):  # else it would wait in vain
                await (
                    self.client.rollback()
                    if error
                    else trace_statement("COMMIT", self.client.commit())
                )
                ended = True
            elif error is None:
                raise ServiceUnavailable("lost before the commit")
        except Exception as failure:
            if error is None:
                self._pools.raise_service_error(failure)
                raise
            # The error inside is what matters. The server rolls back what is closed.
        finally:
            self._pool.release(self._lease, reuse=ended)


client_class = PostgresClient  # where Tortoise looks for a backend's client
