"""Copying an SQLite database while it is used."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from operations.backup.encryption import BackupError
from operations.backup.manifest import (
    SELECT_AUDIT_END,
    SELECT_COUNTERS,
    SELECT_MIGRATIONS,
    SELECT_STREAMS,
    Heads,
    Snapshot,
)


@contextmanager
def sqlite_snapshot(path: Path, folder: Path) -> Iterator[tuple[Path, Snapshot]]:
    """Yield a complete copy of a database, as it was at one moment. It lies in `folder`, and is
    deleted afterwards.

    All pages are copied in one step: it reads one snapshot and delays no writer. In several steps
    it would start again after each write of another process.
    """
    descriptor, name = tempfile.mkstemp(".sqlite3", ".camcha-", folder)
    os.close(descriptor)
    copy = Path(name)
    try:
        with (
            closing(sqlite3.connect(f"file:{path.absolute()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
            problem = _problem(target)
            migration, heads = _heads(target)
        if problem:
            raise BackupError(f"{path} is damaged: {problem}. Restore an earlier backup")
        yield copy, Snapshot("sqlite", f"SQLite {sqlite3.sqlite_version}", migration, heads)
    except sqlite3.Error as error:
        raise BackupError(f"can't copy {path}: {error}") from None
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)


def sqlite_heads(path: Path) -> Heads:
    """The heads of a database that no other process uses."""
    with closing(sqlite3.connect(path)) as database:
        return _heads(database)[1]


def sqlite_problem(path: Path) -> str | None:
    """What is damaged in a database file, None when nothing is."""
    try:
        with closing(sqlite3.connect(path)) as database:
            return _problem(database)
    except sqlite3.Error as error:
        return str(error)


def _problem(database: sqlite3.Connection) -> str | None:
    (result,) = database.execute("PRAGMA integrity_check(1)").fetchone()
    return None if result == "ok" else str(result)


def _heads(database: sqlite3.Connection) -> tuple[str, Heads]:
    migrations = database.execute(SELECT_MIGRATIONS).fetchall()
    heads = Heads.of_rows(
        database.execute(SELECT_AUDIT_END).fetchone(),
        database.execute(SELECT_COUNTERS).fetchall(),
        database.execute(SELECT_STREAMS).fetchone(),
    )
    return migrations[-1][0], heads
