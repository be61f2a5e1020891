"""Waits for another task, process or statement with a very long time limit only, so that slow
machines don't fail the tests.
"""

import asyncio
from collections.abc import Callable

import asyncpg

from models.database.connection import sqlite_path

MAX_WAIT = 120  # seconds, after which a test gives up on a machine however slow
# What the server waits for the database, when that isn't what a test is about.
_OPTIONS = "&" + "&".join(
    f"{name}={MAX_WAIT}"
    for name in (
        "connect_timeout",
        "chat_timeout",
        "interactive_timeout",
        "report_timeout",
        "job_timeout",
        "lock_timeout",
        "idle_in_transaction_timeout",
        "tcp_user_timeout",
    )
)
WAITING_QUERY = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND state <> 'idle'"""


def with_long_timeouts(postgres_url: str) -> str:
    """The URL of a test database with long timeouts."""
    return postgres_url + _OPTIONS


def driver_url(database_url: str) -> str:
    """The URL of a test database for the driver, which doesn't know our options."""
    return database_url.removesuffix(_OPTIONS)


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
    connection = await asyncpg.connect(driver_url(database_url))
    try:
        async with asyncio.timeout(MAX_WAIT):
            while not stop_waiting() and await connection.fetchval(WAITING_QUERY) < number:
                await asyncio.sleep(0.01)
    finally:
        await connection.close()
