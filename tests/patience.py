"""Waits for another task, process or statement without a fixed time limit, so that slow machines
don't fail the tests.
"""

import asyncio
from collections.abc import Callable

import asyncpg

from models.database.connection import sqlite_path

PATIENCE = 120  # seconds
WAITING = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND state <> 'idle'"""


async def lock_waiters(
    database_url: str, number: int = 1, enough: Callable[[], bool] = lambda: False
) -> None:
    """Waits until `number` statements wait for a lock, or until `enough` returns true. SQLite's
    writers wait in this process.
    """
    if sqlite_path(database_url):
        for _ in range(100):
            await asyncio.sleep(0)
        return
    connection = await asyncpg.connect(database_url)
    try:
        async with asyncio.timeout(PATIENCE):
            while not enough() and await connection.fetchval(WAITING) < number:
                await asyncio.sleep(0.01)
    finally:
        await connection.close()
