"""Making a backup of the database and the files, while servers run.

The database is copied first, as it was at one moment, and the files afterwards: so the files of all
rows are there, except those deleted meanwhile. Files that were uploaded meanwhile are in the backup
without a row.
"""

import io
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import IO, BinaryIO, cast

from models.database.connection import sqlite_path
from operations.backup.archive import DATABASES, MANIFEST, ArchiveWriter, file_name, write_archive
from operations.backup.encryption import BackupError, Recipient
from operations.backup.manifest import Manifest, Snapshot
from operations.backup.new_files import publish
from operations.backup.postgres import postgres_snapshot
from operations.backup.sqlite import sqlite_snapshot
from operations.version import VERSION
from storage.store import Store

_MEMORY_BYTES = 1 << 20  # of a file; larger ones go through a temporary file


@dataclass(frozen=True)
class Made:
    """A backup that was made: its file with its size in bytes, the number of stored files in it,
    and its manifest.
    """

    path: Path
    size: int
    file_count: int
    manifest: Manifest


async def back_up(
    url: str,
    store: Store | None,
    target: Path,
    recipients: list[Recipient],
    at: datetime,
    environment: Mapping[str, str],
) -> Made:
    """Write a backup of a database, and of a store unless it is None, to a new file. `target` is
    its path, or a folder, in which the file is named after the time. The file has its name only
    once it is complete and on disk. With recipients it is encrypted. `environment` has the
    environment variables of PostgreSQL's programs, such as PATH.

    Raises BackupError, StoreUnavailable and what the databases' drivers raise.
    """
    path = _path(target, at, is_encrypted=bool(recipients))
    with _new_file(path) as output:
        async with _snapshot(url, path.parent, environment) as (content, snapshot):
            manifest = Manifest(at, VERSION, store is not None, **vars(snapshot))
            with write_archive(output, recipients, path.parent) as writer:
                writer.add(MANIFEST, io.BytesIO(manifest.encode()))
                file_count = await _add_files(writer, store, path.parent) if store else 0
                writer.add(DATABASES[snapshot.database], content)
    return Made(path, path.stat().st_size, file_count, manifest)


def _path(target: Path, at: datetime, *, is_encrypted: bool) -> Path:
    if not target.is_dir():
        return target
    suffix = ".tar.gz.age" if is_encrypted else ".tar.gz"
    return target / f"camcha-{at:%Y%m%dT%H%M%SZ}{suffix}"


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that gets its name at the end, unless the body raises. Raises BackupError when
    there is a file with this name.
    """
    if path.exists():
        raise BackupError(f"{path} exists: name another file")
    partial_path = path.with_name(f".{path.name}.{token_hex(4)}.partial")
    descriptor = os.open(partial_path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        publish(partial_path, path)
    finally:
        partial_path.unlink(missing_ok=True)


@asynccontextmanager
async def _snapshot(
    url: str, folder: Path, environment: Mapping[str, str]
) -> AsyncIterator[tuple[IO[bytes], Snapshot]]:
    """Yield the content of a copy of the database, and what it is a copy of."""
    if path := sqlite_path(url):
        with sqlite_snapshot(path, folder) as snapshot, snapshot[0].open("rb") as content:
            yield content, snapshot[1]
    else:
        async with postgres_snapshot(url, folder, environment) as (dump, details):
            yield dump, details


async def _add_files(writer: ArchiveWriter, store: Store, folder: Path) -> int:
    count = 0
    async for key in store.stored_keys():
        with tempfile.SpooledTemporaryFile(_MEMORY_BYTES, dir=str(folder)) as spooled:
            try:
                async for chunk in await store.open(key):
                    spooled.write(chunk)
            except FileNotFoundError:  # deleted since the list was read
                continue
            writer.add(file_name(key), cast("IO[bytes]", spooled))
            count += 1
    return count
