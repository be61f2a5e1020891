"""The client for PostgreSQL: the ORM's own, with a short way for single statements.

To borrow a connection from the driver's pool and give it back takes longer than a short statement: a task, two futures, two
timers. So connections stay borrowed between statements that are transactions by themselves, and go straight from one to the
next that waits. Nothing is ever open on them.

Transactions of several statements borrow from the driver's pool as ever. When it has none left, one of the connections that
lie here is given back for them, or the next that comes free; and so is one on which something went wrong, for the pool looks
after it.
"""

import asyncio
from collections import deque
from typing import Any

import asyncpg
from asyncpg import Connection
from asyncpg.pool import PoolConnectionProxy
from tortoise.backends.asyncpg.client import AsyncpgDBClient


class Reader:
    """A borrowed connection. `connection` is the driver's own: its stand-in takes a fifth of a short statement's time."""

    __slots__ = ("connection", "lent")

    def __init__(self, lent: PoolConnectionProxy) -> None:
        self.lent = lent
        self.connection: Connection = lent._con


class Pool:
    """The driver's pool, and the connections of it that lie at hand for single statements."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._idle: list[Reader] = []
        self._waiting: deque[asyncio.Future[Reader | None]] = deque()
        self._kept = 0
        self._wanted = 0  # connections, by whoever waits for the driver's pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    async def acquire(self) -> PoolConnectionProxy:
        """A connection for a transaction: give it back with `release`, which is the driver's."""
        self._wanted += 1
        try:
            if self._idle and self._pool.get_size() - self._pool.get_idle_size() >= self._pool.get_max_size():  # all are lent
                await self._give_back(self._idle.pop())
            return await self._pool.acquire()
        finally:
            self._wanted -= 1

    async def close(self) -> None:
        """Give back what lies here, then close the driver's pool, which waits for what is at work."""
        while self._idle:
            await self._give_back(self._idle.pop())
        await self._pool.close()

    async def read(self, statement: str, values: list[Any]) -> list[Any]:
        """The driver's rows of one statement outside any transaction."""
        reader = self._idle.pop() if self._idle else await self._reader()
        while reader.connection.is_closed():  # while it lay here
            await self._give_back(reader)
            reader = self._idle.pop() if self._idle else await self._reader()
        try:
            found: list[Any] = await reader.connection.fetch(statement, *values)
        except BaseException:
            await self._give_back(reader)
            raise
        if self._wanted or self._pool.is_closing():
            await self._give_back(reader)
        else:
            self._hand_on(reader)
        return found

    async def _reader(self) -> Reader:
        while self._kept >= self._pool.get_max_size():
            if reader := await self._next():
                return reader
        self._kept += 1
        self._wanted += 1
        try:
            return Reader(await self._pool.acquire())
        except BaseException:
            self._one_less()
            raise
        finally:
            self._wanted -= 1

    async def _next(self) -> Reader | None:
        """The next connection that comes free; None when one was given back instead."""
        waiting: asyncio.Future[Reader | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            return await waiting
        except asyncio.CancelledError:
            if not waiting.cancelled():  # it came at the very moment when nobody wanted it any more
                await self._pass(waiting.result())
            raise

    async def _pass(self, reader: Reader | None) -> None:
        if reader and (self._wanted or self._pool.is_closing()):
            await self._give_back(reader)
        elif reader:
            self._hand_on(reader)
        else:
            self._tell(None)

    def _hand_on(self, reader: Reader) -> None:
        if not self._tell(reader):
            self._idle.append(reader)

    def _tell(self, reader: Reader | None) -> bool:
        """Whether somebody waited."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(reader)
                return True
        return False

    async def _give_back(self, reader: Reader) -> None:
        self._one_less()
        await self._pool.release(reader.lent)

    def _one_less(self) -> None:
        self._kept -= 1
        self._tell(None)


class Client(AsyncpgDBClient):
    """The ORM's client on such a pool."""

    async def create_pool(self, **settings: Any) -> Any:
        return Pool(await super().create_pool(**settings))

    async def read(self, statement: str, values: list[Any]) -> list[Any]:
        """The driver's rows of one statement outside any transaction."""
        pool: Any = self._pool
        self.log.debug("%s", statement)  # not its values, which are people's
        found: list[Any] = await pool.read(statement, values) if pool else (await self.execute_query(statement, values))[1]
        return found


client_class = Client
