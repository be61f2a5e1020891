"""The connection to the database, and whether it is ready to be used."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from tortoise import Tortoise
from tortoise.backends.base.config_generator import expand_db_url
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.connection import get_connection
from tortoise.migrations.api import migrate
from tortoise.migrations.executor import MigrationExecutor

MODULES = [
    "models.identity.access_links",
    "models.accounts.account",
    "models.content.article",
    "models.audit",
    "models.identity.authenticator",
    "models.operations.clock_offset",
    "models.privacy.erasure",
    "models.event",
    "models.support.file",
    "models.idempotency",
    "models.accounts.invitation",
    "models.billing.invoice",
    "models.accounts.legal_name",
    "models.operations.email",
    "models.billing.offer",
    "models.billing.payment",
    "models.content.policy",
    "models.billing.purchase",
    "models.identity.session",
    "models.support.ticket",
    "models.identity.user",
]


def config(url: str) -> dict[str, Any]:
    """Tortoise's configuration for a database URL (`sqlite://path` or `postgres://...`, through asyncpg)."""
    return {
        "connections": {"default": _tuned(url)},
        "apps": {"models": {"models": MODULES, "default_connection": "default", "migrations": "migrations"}},
        "use_tz": True,
        "timezone": "UTC",
    }


def _tuned(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        # FULL: what was acknowledged outlives a power cut. WAL and foreign_keys are Tortoise's own defaults, said aloud here.
        wanted = {"journal_mode": "WAL", "synchronous": "FULL", "foreign_keys": "ON", "busy_timeout": "5000"}
    else:
        # More statements than asyncpg's 100 are kept prepared: clients choose columns, and each choice is another one.
        parts = parts._replace(scheme="asyncpg")
        wanted = {"minsize": "1", "maxsize": "20", "statement_cache_size": "300"}
    query = wanted | dict(parse_qsl(parts.query))
    tuned = expand_db_url(urlunsplit(parts._replace(query=urlencode(query))))
    if parts.scheme == "asyncpg":
        tuned["credentials"]["reset"] = _as_it_is
        tuned["engine"] = "models.database.postgres"  # connections are kept at hand for single statements
    else:
        tuned["engine"] = "models.database.sqlite"  # transactions wait for those of other processes
    return tuned


async def _as_it_is(connection: object) -> None:
    """What a connection needs before its next use: nothing, since an open transaction was rolled back already.

    asyncpg's own way is one more statement after each, a third of a short one's time. It undoes advisory locks, LISTEN, SET
    and cursors that outlive their transaction: use none of them through the pool.
    """


async def connect(url: str) -> None:
    """Open the database for the whole process. The folder of an SQLite file is made when it is missing."""
    if path := sqlite_path(url):
        path.parent.mkdir(parents=True, exist_ok=True)
    await Tortoise.init(config=config(url), _enable_global_fallback=True)


async def disconnect() -> None:
    """Close every connection."""
    await Tortoise.close_connections()
    EXECUTOR_CACHE.clear()  # Tortoise keeps its SQL for the process, and the next database may speak the other dialect


def sqlite_path(url: str) -> Path | None:
    """The file of an SQLite URL, None for any other database."""
    return Path(url.removeprefix("sqlite://").split("?")[0]) if url.startswith("sqlite://") else None


async def migrated(url: str, target: str | None = None, direction: str = "both") -> None:
    """Apply the migrations not applied yet, or move up or down to `target` (`models.0001_initial`, `models.__first__`)."""
    if path := sqlite_path(url):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _collector_off():
            await migrate(config=config(url), target=target, direction=direction)
    finally:
        await disconnect()


@contextmanager
def _collector_off() -> Iterator[None]:
    """Switch the garbage collector off: Tortoise builds all models again for each step, and looking through them took 60 %
    of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


async def pending_migrations() -> list[str]:
    """The names of migrations that the connected database has not seen yet."""
    connection = get_connection("default")
    executor = MigrationExecutor(connection, {"models": config("")["apps"]["models"]})
    return [step.migration.name for step in await executor.plan()]
