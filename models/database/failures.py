"""Recognizes temporary errors of the database drivers, after which a repeat can succeed.

They become ServiceUnavailable with the name of the error as reason, because the driver's message
may quote personal data. Everything else stays as it is.
"""

import sqlite3
from time import monotonic

import asyncpg
import structlog
from tortoise.exceptions import OperationalError

from models.errors import ServiceUnavailable, TransactionConflict

log = structlog.stdlib.get_logger()

_CONFLICT_ERRORS = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
# The connection, or the server that it leads to, is of no more use.
_LOST_CONNECTION_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # the server has become a replica
    asyncpg.InternalClientError,  # the server has announced the end, but not yet closed
)
_BUSY_ERRORS = (
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.InsufficientResourcesError,  # the disk is full, too many connections
    asyncpg.PostgresIOError,
)
_SQLITE_TEMPORARY = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_INTERRUPT,
}

_logged_at: dict[str, float] = {}


def primary_code(code: int) -> int:
    """The primary result code of an extended one of SQLite."""
    return code & 0xFF


def is_lost(error: BaseException) -> bool:
    """Whether the connections to the server can't be relied upon any more."""
    return isinstance(error, _LOST_CONNECTION_ERRORS)


def as_service_error(error: BaseException) -> ServiceUnavailable | None:
    """The ServiceUnavailable that stands for a temporary error of a driver, else None."""
    if isinstance(error, ServiceUnavailable):
        return error
    reason = type(error).__name__
    if isinstance(error, _CONFLICT_ERRORS):
        return TransactionConflict(reason)
    if _is_temporary(error):
        return ServiceUnavailable(reason)
    return None


def _is_temporary(error: BaseException) -> bool:
    if isinstance(error, _LOST_CONNECTION_ERRORS + _BUSY_ERRORS):
        return True
    if isinstance(error, asyncpg.InterfaceError):  # of a connection that was lost a moment ago
        return "closed" in str(error) or "cancelling" in str(error)
    if isinstance(error, OperationalError):  # Tortoise's, about the driver's
        error = error.__cause__ or error.__context__ or error
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and primary_code(code) in _SQLITE_TEMPORARY


def log_unavailable(error: ServiceUnavailable) -> None:
    """Log that a client was told that the service is unavailable, once a second for each reason."""
    (reason,), now = error.args, monotonic()
    if now - _logged_at.get(reason, -1.0) >= 1:
        _logged_at[reason] = now
        log.error("database.unavailable", error=reason)
