"""Copying a PostgreSQL database while it is used, with PostgreSQL's own pg_dump and pg_restore."""

import asyncio
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

import asyncpg

from models.database.connection import encryption_of, postgres_parameters
from operations.backup.encryption import BackupError
from operations.backup.manifest import (
    SELECT_AUDIT_END,
    SELECT_COUNTERS,
    SELECT_MIGRATIONS,
    SELECT_STREAMS,
    Heads,
    Snapshot,
)

_LOCK_MILLISECONDS = 60_000  # for a migration to end
_VARIABLES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "database": "PGDATABASE",
    "passfile": "PGPASSFILE",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
_COUNT_RELATIONS = """
SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND nspname <> 'information_schema'
    AND nspname NOT LIKE 'pg\\_%' AND NOT EXISTS (
        SELECT 1 FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid
        AND deptype = 'e')
"""


@asynccontextmanager
async def postgres_snapshot(
    url: str, folder: Path, environment: Mapping[str, str]
) -> AsyncIterator[tuple[IO[bytes], Snapshot]]:
    """Yield a dump in pg_dump's custom format. It lies in `folder`, as a file without a name."""
    connection = await asyncpg.connect(**postgres_parameters(url))
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
            migrations = await connection.fetch(SELECT_MIGRATIONS)
            heads = await _heads(connection)
            version = await connection.fetchval("SELECT current_setting('server_version')")
            with tempfile.TemporaryFile(dir=folder) as dump:
                await _dump(_variables(url, environment), snapshot, dump)
                migration = migrations[-1]["name"]
                yield dump, Snapshot("postgres", f"PostgreSQL {version}", migration, heads)
    finally:
        await connection.close()


async def _heads(connection: Any) -> Heads:
    return Heads.of_rows(
        await connection.fetchrow(SELECT_AUDIT_END),
        await connection.fetch(SELECT_COUNTERS),
        await connection.fetchrow(SELECT_STREAMS),
    )


async def postgres_heads(url: str) -> Heads:
    """The heads of a database."""
    connection = await asyncpg.connect(**postgres_parameters(url))
    try:
        return await _heads(connection)
    finally:
        await connection.close()


async def is_empty(url: str) -> bool:
    """Whether a database has no tables, views and sequences besides those of extensions."""
    connection = await asyncpg.connect(**postgres_parameters(url))
    try:
        return not await connection.fetchval(_COUNT_RELATIONS)
    finally:
        await connection.close()


async def _dump(variables: Mapping[str, str], snapshot: str, dump: IO[bytes]) -> None:
    process = await _start(
        "pg_dump",
        "--format=custom",
        "--compress=1",
        "--no-owner",
        "--no-privileges",
        f"--lock-wait-timeout={_LOCK_MILLISECONDS}",
        f"--snapshot={snapshot}",
        variables=variables,
        stdin=DEVNULL,
        stdout=dump.fileno(),
    )
    await _finish("pg_dump", process)


async def restore_dump(url: str, chunks: Iterator[bytes], environment: Mapping[str, str]) -> None:
    """Restore a dump into an empty database, in one transaction. Raises BackupError."""
    variables = _variables(url, environment)
    process = await _start(
        "pg_restore",
        "--single-transaction",
        "--exit-on-error",
        "--no-owner",
        "--no-privileges",
        "--no-comments",
        f"--dbname={variables['PGDATABASE']}",
        variables=variables,
        stdin=PIPE,
        stdout=DEVNULL,
    )
    assert process.stdin  # noqa: S101 - it is a pipe
    errors = asyncio.create_task(_finish("pg_restore", process))
    try:
        for chunk in chunks:
            process.stdin.write(chunk)
            await process.stdin.drain()
    except ConnectionError:  # it has ended, for a reason that it tells
        pass
    except BaseException:
        process.kill()  # and so rolls back
        errors.cancel()
        raise
    process.stdin.close()
    await errors


def _variables(url: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment variables by which PostgreSQL's programs connect. A password isn't an
    argument, because other users of the machine can read those.
    """
    parameters = postgres_parameters(url)
    own = {
        variable: str(parameters[name])
        for name, variable in _VARIABLES.items()
        if parameters.get(name) is not None
    }
    inherited = {name: value for name, value in environment.items() if name[:7] != "CAMCHA_"}
    own |= encryption_of(url).variables()
    return {**inherited, "PGAPPNAME": "camcha", "LC_MESSAGES": "C", **own}


async def _start(
    program: str, *arguments: str, variables: Mapping[str, str], **streams: Any
) -> Process:
    try:
        return await asyncio.create_subprocess_exec(
            program, *arguments, env=variables, stderr=PIPE, **streams
        )
    except FileNotFoundError:
        raise BackupError(
            f"{program} was not found on the PATH: install PostgreSQL's client programs, of the "
            f"server's version or a later one"
        ) from None


async def _finish(program: str, process: Process) -> None:
    """Wait for a program. Raises BackupError with its last lines when it fails."""
    assert process.stderr  # noqa: S101 - it is a pipe
    lines = (await process.stderr.read()).decode(errors="replace").strip().splitlines()
    if await process.wait():
        raise BackupError("\n".join(lines[-5:]) or f"{program} failed")
