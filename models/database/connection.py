"""Connect to the database, migrate it, and tell which migrations are missing."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from tortoise import Tortoise
from tortoise.backends.base.config_generator import expand_db_url
from tortoise.backends.base.executor import EXECUTOR_CACHE
from tortoise.connection import get_connection
from tortoise.exceptions import ConfigurationError
from tortoise.migrations.recorder import MigrationRecorder

from models.database.encryption import PARAMETERS, Encryption
from models.database.migrations import migrate, migration_names
from models.database.options import DatabaseOptions
from models.database.pool import PoolUsage
from models.database.sql import ANALYTICS
from models.database.workload import Workload, workload

MODULES = [
    "models.identity.access_links",
    "models.accounts.account",
    "models.content.article",
    "models.content.article_feedback",
    "models.content.article_version",
    "models.content.webinar",
    "models.analytics.query_schedule",
    "models.analytics.saved_query",
    "models.audit",
    "models.identity.authenticator",
    "models.operations.clock_offset",
    "models.operations.installation",
    "models.operations.latest_time",
    "models.privacy.buyer_erasure",
    "models.privacy.consent",
    "models.privacy.data_request",
    "models.privacy.erasure",
    "models.privacy.incident",
    "models.privacy.incident_notice",
    "models.privacy.mailing",
    "models.event",
    "models.support.answer_time",
    "models.support.calendar",
    "models.support.call",
    "models.support.sla_clock",
    "models.support.sla_policy",
    "models.support.escalation",
    "models.support.file",
    "models.support.incoming_email",
    "models.support.canned_reply",
    "models.support.reaction",
    "models.idempotency",
    "models.accounts.invitation",
    "models.billing.bank",
    "models.billing.billing_period",
    "models.billing.billing_profile",
    "models.billing.delivery",
    "models.billing.dunning",
    "models.billing.dispute",
    "models.billing.invoice",
    "models.billing.invoice_recipient",
    "models.accounts.legal_name",
    "models.accounts.service_account",
    "models.accounts.vat_number",
    "models.operations.email",
    "models.operations.webhook",
    "models.billing.offer",
    "models.billing.offer_trial",
    "models.billing.ledger",
    "models.billing.payment",
    "models.billing.payment_customer",
    "models.billing.payment_method",
    "models.billing.promotion",
    "models.billing.provider_event",
    "models.billing.sandbox",
    "models.content.policy",
    "models.billing.purchase",
    "models.billing.purchase_change",
    "models.billing.receivable",
    "models.billing.refund",
    "models.billing.tax_rule",
    "models.identity.session",
    "models.support.merge",
    "models.support.message",
    "models.support.live_chat",
    "models.support.agent_presence",
    "models.support.note",
    "models.support.phone_number",
    "models.support.draft",
    "models.support.rating",
    "models.support.push_device",
    "models.support.saved_filter",
    "models.support.macro",
    "models.support.scheduled_reply",
    "models.support.automation",
    "models.support.search_entry",
    "models.support.status_board",
    "models.support.tag",
    "models.support.team",
    "models.support.ticket",
    "models.support.ticket_position",
    "models.identity.user",
]


_OWN_PARAMETERS = {"options", "min_size", "max_size"}  # of our pools, not of asyncpg
_SERVER_SETTINGS = {"schema": "search_path", "application_name": "application_name"}

# A migration takes as long as it takes, and waits for whoever uses a table.
_UNLIMITED = 86_000
_MIGRATION_OPTIONS = {
    "job_timeout": _UNLIMITED,
    "lock_timeout": _UNLIMITED,
    "idle_in_transaction_timeout": _UNLIMITED,
}


def tortoise_config(url: str, analytics_url: str | None = None, **options: float) -> dict[str, Any]:
    """Return Tortoise's configuration for a database URL: `sqlite://path`, or `postgres://...`,
    which uses asyncpg, and for the URL of a copy that analysts read. `options` replace those of the
    URL.
    """
    connections = {"default": _connection_config(url, options)}
    if analytics_url:
        connections[ANALYTICS] = _read_only(_connection_config(analytics_url, options))
    return {
        "connections": connections,
        "apps": {
            "models": {
                "models": MODULES,
                "default_connection": "default",
                "migrations": "migrations",
            }
        },
        "use_tz": True,
        "timezone": "UTC",
    }


def database_options(url: str) -> DatabaseOptions:
    """The options among the parameters of a PostgreSQL URL. Raises ValueError with a message for
    the operator.
    """
    params = _parameters(url)
    if unknown_names := DatabaseOptions.unknown_parameters(params):
        raise ValueError(f"unknown parameter {', '.join(unknown_names)}")
    if "host" in params and urlsplit(url).hostname:
        raise ValueError("name the host once, before the database or as ?host=")
    Encryption.parse(params)
    return DatabaseOptions.parse(params)


def encryption_of(url: str) -> Encryption:
    """How connections to the database of a PostgreSQL URL are encrypted."""
    return Encryption.parse(_parameters(url))


def _parameters(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def postgres_parameters(url: str) -> dict[str, Any]:
    """The parameters with which asyncpg connects to the database of a PostgreSQL URL."""
    credentials: dict[str, Any] = tortoise_config(url)["connections"]["default"]["credentials"]
    settings = {
        setting: credentials[name]
        for name, setting in _SERVER_SETTINGS.items()
        if credentials.get(name)
    }
    own = _OWN_PARAMETERS | _SERVER_SETTINGS.keys()
    parameters = {name: value for name, value in credentials.items() if name not in own}
    return parameters | ({"server_settings": settings} if settings else {})


def _connection_config(url: str, options: dict[str, Any]) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        # FULL makes every committed transaction survive a power failure. WAL and foreign_keys are
        # Tortoise's defaults, stated here.
        defaults = {
            "journal_mode": "WAL",
            "synchronous": "FULL",
            "foreign_keys": "ON",
            "busy_timeout": "5000",
        }
    else:
        # asyncpg's default is 100 prepared statements. Clients choose columns, and each choice is
        # another statement.
        parts = _name_socket(parts)._replace(scheme="asyncpg")
        defaults = {"statement_cache_size": "300"}
    query = {
        name: value
        for name, value in (defaults | dict(parse_qsl(parts.query))).items()
        if name not in DatabaseOptions.names() | PARAMETERS
    }
    settings = expand_db_url(urlunsplit(parts._replace(query=urlencode(query))))
    if parts.scheme == "asyncpg":
        settings["credentials"]["options"] = replace(database_options(url), **options)
        if (encryption := encryption_of(url)).mode:
            settings["credentials"]["ssl"] = encryption.argument()
        settings["engine"] = "models.database.postgres"  # has a pool for each workload
    else:
        settings["engine"] = "models.database.sqlite"  # transactions wait for other processes
    return settings


def _name_socket(parts: SplitResult) -> SplitResult:
    """A URL whose host is the folder of a socket, written as libpq allows (`%2Frun%2Fpostgresql`),
    with that folder as a parameter.
    """
    user, at, server = parts.netloc.rpartition("@")
    host, colon, port = server.partition(":")
    if host[:3].lower() != "%2f":
        return parts
    query = f"{parts.query}&" if parts.query else ""
    query += urlencode({"host": unquote(host)})
    return parts._replace(netloc=f"{user}{at}{colon}{port}", query=query)


def _read_only(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a connection that can't write. SQLite's reports never can."""
    credentials = settings["credentials"]
    if "options" in credentials:
        read_only = {"default_transaction_read_only": "on"}
        credentials["server_settings"] = credentials.get("server_settings", {}) | read_only
    return settings


async def connect(url: str, analytics_url: str | None = None) -> None:
    """Connect the whole process to the database, and to a copy of it that analysts read. Creates
    the folder of an SQLite file when it is missing.
    """
    if path := sqlite_path(url):
        path.parent.mkdir(parents=True, exist_ok=True)
    config = tortoise_config(url, analytics_url)
    await Tortoise.init(config=config, _enable_global_fallback=True)


def pool_usage() -> list[PoolUsage]:
    """How the connections of this process are used, empty while it isn't connected."""
    try:
        client: Any = get_connection("default")
    except ConfigurationError:
        return []
    usage: list[PoolUsage] = client.usage()
    return usage


async def disconnect() -> None:
    """Close every connection."""
    await Tortoise.close_connections()
    # Tortoise caches SQL per process, and the next database may have another dialect
    EXECUTOR_CACHE.clear()


def sqlite_path(url: str) -> Path | None:
    """The path of an SQLite URL's file, or None for any other database."""
    return (
        Path(url.removeprefix("sqlite://").split("?")[0]) if url.startswith("sqlite://") else None
    )


async def migrate_database(url: str, target: str = "__latest__", direction: str = "both") -> None:
    """Apply all pending migrations, or migrate to `target` (`0001_initial`, `__first__`).

    `direction` is `forward`, `backward` or `both`.
    """
    if path := sqlite_path(url):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Otherwise dropping a table that is created again deletes what refers to its rows.
        url += "&foreign_keys=OFF" if "?" in url else "?foreign_keys=OFF"
    try:
        config = tortoise_config(url, None, **_MIGRATION_OPTIONS)
        with _garbage_collection_disabled(), workload(Workload.JOBS):
            await migrate(config, target, direction)
    finally:
        await disconnect()


@contextmanager
def _garbage_collection_disabled() -> Iterator[None]:
    """Disable the garbage collector: Tortoise builds all models again for each migration, and
    scanning them took 60 % of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


async def pending_migrations() -> list[str]:
    """Return the names of the migrations that have not been applied to the connected database."""
    keys = await MigrationRecorder(get_connection("default")).applied_migrations()
    applied = {key.name for key in keys}
    return [name for name in migration_names() if name not in applied]
