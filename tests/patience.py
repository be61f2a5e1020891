"""Waits for another task, process or statement without a fixed time limit, so that slow machines
don't fail the tests.
"""

import asyncio
from collections.abc import Callable

import asyncpg

from models.database.connection import sqlite_path

PATIENCE = 120  # seconds
WAITING_QUERY = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND state <> 'idle'"""


async def wait_for_lock_waiters(
    database_url: str, number: int = 1, stop_waiting: Callable[[], bool] = lambda: False
) -> None:
    """Waits until `number` statements wait for a lock, or until `stop_waiting` returns true.
    SQLite's writers wait in this process.
    """
    if sqlite_path(database_url):
        for _ in range(100):
            await asyncio.sleep(0)
        return
    connection = await asyncpg.connect(database_url)
    try:
        async with asyncio.timeout(PATIENCE):
            while not stop_waiting() and await connection.fetchval(WAITING_QUERY) < number:
                await asyncio.sleep(0.01)
    finally:
        await connection.close()
