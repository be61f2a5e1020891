"""The client for PostgreSQL: the ORM's own, with a short way for reading.

To borrow a connection from the pool and give it back takes longer than a short statement: a task, two futures, two timers. So
a few connections are kept borrowed for reading. Nothing is ever open on them: they run single SELECTs. All others, and
readers when those few are taken, go through the pool; what went wrong is given back to the pool, which looks after it.
"""

from typing import Any

from asyncpg import InterfaceError
from asyncpg.pool import Pool, PoolConnectionProxy
from tortoise.backends.asyncpg.client import AsyncpgDBClient


class Client(AsyncpgDBClient):
    """A pool, and up to half of its connections at hand for reading."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._idle: list[PoolConnectionProxy] = []
        self._kept = 0

    async def read(self, statement: str, values: list[Any]) -> list[Any]:
        """The driver's rows of one SELECT outside any transaction."""
        pool = self._pool
        reader = await self._reader(pool) if pool else None
        if pool is None or reader is None:
            return list((await self.execute_query(statement, values))[1])
        self.log.debug("%s: %s", statement, values)
        try:
            found: list[Any] = await reader.fetch(statement, *values)
        except BaseException:
            await self._give_back(pool, reader)
            raise
        if pool.is_closing():
            await self._give_back(pool, reader)
        else:
            self._idle.append(reader)
        return found

    async def _reader(self, pool: Pool) -> PoolConnectionProxy | None:
        while self._idle:
            reader = self._idle.pop()
            if not _lost(reader):
                return reader
            await self._give_back(pool, reader)
        if self._kept >= pool.get_max_size() // 2:
            return None
        self._kept += 1
        try:
            return await pool.acquire()
        except BaseException:
            self._kept -= 1
            raise

    async def _give_back(self, pool: Pool, reader: PoolConnectionProxy) -> None:
        self._kept -= 1
        await pool.release(reader)

    async def _close(self) -> None:
        while self._pool and self._idle:
            await self._give_back(self._pool, self._idle.pop())
        await super()._close()


def _lost(reader: PoolConnectionProxy) -> bool:
    try:
        return bool(reader.is_closed())
    except InterfaceError:  # it was closed while it lay here, so the pool has taken it back by itself
        return True


client_class = Client
