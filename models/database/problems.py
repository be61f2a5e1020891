"""Explains to the operator why a database can't be used. The drivers' own messages may quote the
password, and Tortoise waits or retries where an operator needs an answer.
"""

import socket
import sqlite3
import ssl
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg

from models.database.connection import postgres_parameters, sqlite_path, tortoise_config
from models.database.failures import primary_code
from models.database.options import DatabaseOptions

_BUSY_SECONDS = 5.0


async def database_problem(url: str, *, migrating: bool = False) -> str | None:
    """Return why the database at this URL can't be used, and what to do about it; None when it can.
    A database that is `migrating` may be a missing file, and must be writable.
    """
    if path := sqlite_path(url):
        return _sqlite_problem(path, migrating)
    return await _postgres_problem(url, migrating)


def _sqlite_problem(path: Path, migrating: bool) -> str | None:
    try:
        if path.is_dir():
            return f"{path} is a folder. Name a file in it"
        if migrating:
            path.parent.mkdir(parents=True, exist_ok=True)
        elif not path.exists():
            return f"the file {path} does not exist. To create it, run bin/cli migrate"
    except OSError as error:
        return f"can't use the folder {path.parent}: {error.strerror}"
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)) as opened:
            opened.execute("PRAGMA schema_version")
            if migrating:
                opened.execute("BEGIN IMMEDIATE")
                opened.execute("ROLLBACK")
    except sqlite3.Error as error:
        return _sqlite_error(path, primary_code(error.sqlite_errorcode), error.sqlite_errorname)
    return None


def _sqlite_error(path: Path, code: int, name: str) -> str:
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"{path} is locked by another program. Stop it, and run the command again"
    if code == sqlite3.SQLITE_NOTADB:
        return f"{path} is not an SQLite database. Name another file"
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return f"can't open {path} for writing. Check the permissions of the file and its folder"
    return f"can't use {path} ({name})"


async def _postgres_problem(url: str, migrating: bool) -> str | None:
    credentials: dict[str, Any] = tortoise_config(url)["connections"]["default"]["credentials"]
    options: DatabaseOptions = credentials["options"]
    try:
        connection = await asyncpg.connect(
            **postgres_parameters(url), timeout=options.connect_timeout
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return _postgres_error(credentials, options.connect_timeout, error)
    try:
        encoding, may_create = await connection.fetchrow(
            "SELECT current_setting('server_encoding'), coalesce("
            "has_schema_privilege(current_schema(), 'CREATE'), false)"
        )
    finally:
        await connection.close()
    if encoding != "UTF8":
        return f"the database's encoding is {encoding}. Create it with ENCODING 'UTF8'"
    if migrating and not may_create:
        return (
            f"the user {_user(credentials)} may not create tables. Make it the owner of the "
            f"database"
        )
    return None


def _user(credentials: dict[str, Any]) -> str:
    return str(credentials["user"] or "of this process")


def _postgres_error(credentials: dict[str, Any], timeout: float, error: Exception) -> str:
    host, name = credentials["host"] or "localhost", credentials["database"]
    is_path = host.startswith("/")
    server = f"socket in {host}" if is_path else f"{host}, port {credentials['port']}"
    match error:
        case asyncpg.InvalidCatalogNameError():
            return f"the database {name} does not exist on {server}. To create it, run createdb"
        case asyncpg.InvalidAuthorizationSpecificationError():
            return (
                f"{server} doesn't accept the user {_user(credentials)} with this password. Check "
                f"both, and pg_hba.conf"
            )
        case asyncpg.InsufficientPrivilegeError():
            return f"the user {_user(credentials)} may not connect to the database {name}"
        case asyncpg.TooManyConnectionsError():
            return f"{server} has no connection left. Raise max_connections"
        case asyncpg.CannotConnectNowError():
            return f"{server} is starting or stopping. Run the command again"
        case socket.gaierror():
            return f"the host {host} is unknown. Check its name"
        case TimeoutError():
            return f"{server} doesn't answer within {timeout:g} seconds. Check the host and port"
        case PermissionError():
            return f"this process may not use the {server}"
        case ssl.SSLCertVerificationError():
            return (
                f"the certificate of {server} isn't trusted ({error.verify_message}). Check the "
                f"host, and name the authority's certificate with sslrootcert"
            )
        case ssl.SSLError():
            return f"the encryption of the connection to {server} failed ({error.reason})"
        case ConnectionError() if type(error) is ConnectionError:  # asyncpg's, to a refusal
            return f"{server} doesn't encrypt connections. Set ssl=disable, or turn it on there"
        case OSError() if is_path:
            return f"there is no server at the {server}. Check the folder, or start PostgreSQL"
        case OSError():
            return f"there is no server at {server}. Check the host and port, or start PostgreSQL"
    return f"can't use the database ({type(error).__name__})"
