"""A PostgreSQL client for Tortoise with a fast path for single statements.

Acquiring a connection from asyncpg's pool and releasing it costs a task, two futures and two
timers, which takes longer than a short statement. So `ConnectionPool` keeps connections acquired
between statements that run outside transactions, and passes a connection straight from one
statement to the next that waits for it. No transaction is ever open on such a connection.

Transactions of several statements still acquire their connection from asyncpg's pool. When that
pool is exhausted, an idle connection of the fast path is released for them, or else the next one
whose statement ends. A connection whose statement failed or was canceled is always released, so
that asyncpg's pool checks and resets it.
"""

import asyncio
from collections import deque
from typing import Any

import asyncpg
from asyncpg import Connection
from asyncpg.pool import PoolConnectionProxy
from tortoise.backends.asyncpg.client import AsyncpgDBClient


class ReadConnection:
    """A connection acquired from asyncpg's pool.

    `connection` is the connection behind the pool's proxy, which would take a fifth of a short
    statement's time.
    """

    __slots__ = ("connection", "proxy")

    def __init__(self, proxy: PoolConnectionProxy) -> None:
        self.proxy = proxy
        self.connection: Connection = proxy._con


class ConnectionPool:
    """asyncpg's pool, and the connections acquired from it that are kept for single statements."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._idle: list[ReadConnection] = []
        self._waiters: deque[asyncio.Future[ReadConnection | None]] = deque()
        self._acquired = 0  # connections kept for single statements, idle or not
        self._pending_acquires = 0  # callers that wait for asyncpg's pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    async def acquire(self) -> PoolConnectionProxy:
        """Acquire a connection for a transaction. Return it with `release`, which is asyncpg's
        own.
        """
        self._pending_acquires += 1
        try:
            is_exhausted = (
                self._pool.get_size() - self._pool.get_idle_size() >= self._pool.get_max_size()
            )
            if self._idle and is_exhausted:
                await self._release(self._idle.pop())
            return await self._pool.acquire()
        finally:
            self._pending_acquires -= 1

    async def close(self) -> None:
        """Release the idle connections, then close asyncpg's pool, which waits for the connections
        in use.
        """
        while self._idle:
            await self._release(self._idle.pop())
        await self._pool.close()

    async def read(self, statement: str, params: list[Any]) -> list[Any]:
        """Execute one statement outside any transaction and return asyncpg's records."""
        reader = self._idle.pop() if self._idle else await self._acquire_reader()
        while reader.connection.is_closed():  # the server may have closed it while it was idle
            await self._release(reader)
            reader = self._idle.pop() if self._idle else await self._acquire_reader()
        try:
            records: list[Any] = await reader.connection.fetch(statement, *params)
        except BaseException:
            await self._release(reader)
            raise
        if self._pending_acquires or self._pool.is_closing():
            await self._release(reader)
        else:
            self._reuse(reader)
        return records

    async def _acquire_reader(self) -> ReadConnection:
        while self._acquired >= self._pool.get_max_size():
            if reader := await self._wait_for_reader():
                return reader
        self._acquired += 1
        self._pending_acquires += 1
        try:
            return ReadConnection(await self._pool.acquire())
        except BaseException:
            self._decrement_acquired()
            raise
        finally:
            self._pending_acquires -= 1

    async def _wait_for_reader(self) -> ReadConnection | None:
        """Wait for the next connection whose statement ends. Returns None when a connection was
        released instead.
        """
        waiter: asyncio.Future[ReadConnection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            # a connection was assigned in the same iteration of the loop in which we were canceled
            if not waiter.cancelled():
                await self._forward(waiter.result())
            raise

    async def _forward(self, reader: ReadConnection | None) -> None:
        """Pass on what a canceled waiter received."""
        if reader and (self._pending_acquires or self._pool.is_closing()):
            await self._release(reader)
        elif reader:
            self._reuse(reader)
        else:
            self._notify_waiter(None)

    def _reuse(self, reader: ReadConnection) -> None:
        if not self._notify_waiter(reader):
            self._idle.append(reader)

    def _notify_waiter(self, reader: ReadConnection | None) -> bool:
        """Give the first waiter this connection, or None to make it try again. Returns whether
        anyone was waiting.
        """
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(reader)
                return True
        return False

    async def _release(self, reader: ReadConnection) -> None:
        self._decrement_acquired()
        await self._pool.release(reader.proxy)

    def _decrement_acquired(self) -> None:
        self._acquired -= 1
        self._notify_waiter(None)


class PostgresClient(AsyncpgDBClient):
    """Tortoise's asyncpg client with a `ConnectionPool`."""

    async def create_pool(self, **settings: Any) -> Any:
        return ConnectionPool(await super().create_pool(**settings))

    async def read(self, statement: str, params: list[Any]) -> list[Any]:
        """Execute one statement outside any transaction and return asyncpg's records."""
        pool: Any = self._pool
        self.log.debug("%s", statement)  # without its parameters, which may be personal data
        records: list[Any] = (
            await pool.read(statement, params)
            if pool
            else (await self.execute_query(statement, params))[1]
        )
        return records


client_class = PostgresClient  # where Tortoise looks for a backend's client
