"""Restoring a backup into an empty database and an empty store.

The whole backup is verified before anything is written. The files come first and the database last,
in one piece, so that no server can run on half of a backup. The jobs of what was restored are held:
the original has sent the emails and made the payments in it since
(models/operations/installation.py).
"""

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from billing.reconciliation import reconciliation
from models.action import Action
from models.database.connection import connect, disconnect, migrate_database, sqlite_path
from models.operations.installation import Installation
from operations.audit_proof import ChainPosition, audit_proof
from operations.backup.archive import DATABASES, MANIFEST, Member, read_archive
from operations.backup.encryption import BackupError, Identity
from operations.backup.manifest import Heads, Manifest
from operations.backup.new_files import publish
from operations.backup.postgres import is_empty, postgres_heads, restore_dump
from operations.backup.sqlite import sqlite_heads, sqlite_problem
from operations.invoice_numbering import numbering_errors
from storage.store import Store


@dataclass(frozen=True)
class Contents:
    """What a verified backup contains: its manifest, and the number of stored files."""

    manifest: Manifest
    file_count: int


async def verify(path: Path, identities: list[Identity]) -> Contents:
    """Read a whole backup and verify it. Raises BackupError."""
    manifests: list[Manifest] = []
    databases: list[str] = []
    file_count = 0

    async def handle(member: Member) -> None:
        nonlocal file_count
        if member.name == MANIFEST:
            manifests.append(Manifest.decode(b"".join(member.content)))
        elif member.key:
            file_count += 1
        else:
            databases.append(member.name)

    await read_archive(path, identities, handle)
    if len(manifests) != 1 or databases != [DATABASES.get(manifests[0].database)]:
        raise BackupError(f"{path} doesn't have one manifest and one database, so it is no backup")
    return Contents(manifests[0], file_count)


async def restore(
    action: Action,
    url: str,
    store: Store,
    path: Path,
    identities: list[Identity],
    environment: Mapping[str, str],
) -> tuple[Contents, list[str]]:
    """Restore a backup, apply the migrations that it lacks, and hold its jobs. Returns what it
    contained, and what is wrong with what was restored, as sentences. `environment` has the
    environment variables of PostgreSQL's programs, such as PATH.

    Raises BackupError before anything is written when the backup isn't complete, or the target is
    of another kind or isn't empty. Raises it, and StoreUnavailable, when writing fails as well;
    then there is no SQLite database, and a PostgreSQL database is empty.
    """
    contents = await verify(path, identities)
    contents.manifest.require_known_migration()
    await _require_empty_target(contents.manifest, url, store)
    database = sqlite_path(url)
    partial_path = database.with_name(f"{database.name}.restoring") if database else None
    restored_url = f"sqlite://{partial_path}" if partial_path else url

    async def handle(member: Member) -> None:
        if member.key:
            await store.put(member.key, _async_chunks(member.content))
        elif member.name != MANIFEST and partial_path:
            _write(partial_path, member.content)
        elif member.name != MANIFEST:
            await restore_dump(url, member.content, environment)

    try:
        await read_archive(path, identities, handle)
        problems = await _finish(action, restored_url, contents.manifest.heads)
        if database and partial_path:
            publish(partial_path, database)
    finally:
        if partial_path:
            _delete(partial_path)
    return contents, problems


async def _require_empty_target(manifest: Manifest, url: str, store: Store) -> None:
    database = sqlite_path(url)
    kind = "sqlite" if database else "postgres"
    if kind != manifest.database:
        raise BackupError(
            f"the backup is of {manifest.database_version}, so it can't be restored into another "
            f"kind of database: change CAMCHA_DATABASE_URL"
        )
    if database and database.exists():
        raise BackupError(f"{database} exists: name another file in CAMCHA_DATABASE_URL")
    if not database and not await is_empty(url):
        raise BackupError(
            "the database of CAMCHA_DATABASE_URL isn't empty: create an empty one with createdb"
        )
    if manifest.has_files:
        async for _ in store.stored_keys():
            raise BackupError(
                "there are files in CAMCHA_FILES: name an empty folder, or another prefix in the "
                "object store"
            )


async def _async_chunks(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def _write(path: Path, chunks: Iterator[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
        for chunk in chunks:
            file.write(chunk)
    if problem := sqlite_problem(path):
        raise BackupError(f"the database in the backup is damaged: {problem}")


async def _finish(action: Action, url: str, expected: Heads) -> list[str]:
    """Migrate the restored database, and hold its jobs. Returns what is wrong with it, as
    sentences.
    """
    path = sqlite_path(url)
    heads = sqlite_heads(path) if path else await postgres_heads(url)
    await migrate_database(url)
    try:
        await connect(url)
        await Installation.hold(action)
        proof = await audit_proof(ChainPosition.parse(expected.audit))
        return [
            *([] if heads == expected else ["it ends where the backup's manifest doesn't"]),
            *([proof.error] if proof.error else []),
            *await numbering_errors(),
            *(await reconciliation()).errors,
        ]
    finally:
        await disconnect()


def _delete(path: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
