"""`cli backup` and `cli restore`: a backup is complete, verified, and restored into empty places
only.
"""

import gzip
import io
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from models.database.connection import sqlite_path
from operations.backup.archive import DATABASES
from operations.backup.encryption import BackupError
from operations.backup.manifest import Heads, Manifest
from operations.backup.sqlite import sqlite_problem, sqlite_snapshot
from storage.store import FolderStore, random_key
from tests.conftest import postgres_copy
from tests.operations.backup_fixtures import CHANGED_TABLES, Installation, rows_of
from tests.storage.test_object_store import S3Server
from tests.web.web_fixtures import in_chunks


@pytest.fixture
def installation(catalogue_url: str, tmp_path: Path) -> Installation:
    """An installation with a catalogue."""
    return Installation(catalogue_url, str(tmp_path / "files"), tmp_path, {})


@pytest.fixture
def target(
    request: pytest.FixtureRequest, installation: Installation, tmp_path: Path
) -> Iterator[Installation]:
    """An empty database of the same kind, and a folder for its files."""
    files = str(tmp_path / "restored" / "files")
    if sqlite_path(installation.url):
        yield Installation(f"sqlite://{tmp_path}/restored/camcha.sqlite3", files, tmp_path, {})
        return
    with postgres_copy(request, "template1") as url:
        yield Installation(url, files, tmp_path, {})


def archives(folder: Path) -> list[Path]:
    """All files in a folder that are a backup, or were to become one."""
    return [path for path in folder.iterdir() if "camcha-" in path.name or "partial" in path.name]


async def store_files(installation: Installation, count: int = 3) -> dict[str, bytes]:
    """Some files by their keys, one of them empty and one larger than what is kept in memory."""
    contents = {random_key(): bytes([number]) * (number * 700_000) for number in range(count)}
    for key, content in contents.items():
        await FolderStore(Path(installation.files)).put(key, in_chunks(content, 100_000))
    return contents


async def read_files(installation: Installation) -> dict[str, bytes]:
    store = FolderStore(Path(installation.files))
    return {
        key: b"".join([chunk async for chunk in await store.open(key)])
        async for key in store.stored_keys()
    }


async def test_p6_4_an_operator_restores_a_backup_in_empty_places_only(
    installation: Installation, target: Installation, tmp_path: Path
) -> None:
    files = await store_files(installation)
    rows = await rows_of(installation.url)
    made = installation.command("backup", str(tmp_path))
    assert "3 files" in made
    (archive,) = archives(tmp_path)
    assert archive.stat().st_mode & 0o777 == 0o600
    assert "exists" in installation.error("backup", str(archive))

    assert target.command("restore", str(archive), "--verify").startswith("Verified: 3 files")
    assert not await read_files(target)
    assert "Emails and other external jobs are held" in target.command("restore", str(archive))
    restored = await rows_of(target.url)
    for table in rows.keys() - CHANGED_TABLES:
        assert restored[table] == rows[table], table
    actions = [row["action"] for row in restored["audit_entry"]]
    assert actions.count("installation.hold") == 1
    assert await read_files(target) == files
    assert "emails to send" in target.command("release")
    assert "no errors" in target.command("check-invoices")
    target.command("verify-audit")

    again = target.error("restore", str(archive))
    assert "exists" in again or "isn't empty" in again
    assert await rows_of(target.url) == restored


async def test_a_backup_is_readable_with_the_usual_programs(
    installation: Installation, tmp_path: Path
) -> None:
    files = await store_files(installation, 2)
    installation.command("backup", str(tmp_path / "all.tar.gz"))
    with tarfile.open(tmp_path / "all.tar.gz", "r:gz") as archive:
        names = archive.getnames()
        manifest_file = archive.extractfile("manifest.json")
        assert manifest_file
        manifest = orjson.loads(manifest_file.read())
    database = DATABASES[manifest["database"]]
    assert names[0] == "manifest.json"
    assert {*names[1:-2]} == {f"files/{key}" for key in files}
    assert names[-2:] == [database, "SHA256SUMS"]


async def test_only_the_private_key_reads_an_encrypted_backup(
    installation: Installation, target: Installation, tmp_path: Path
) -> None:
    files = await store_files(installation)
    keys = [installation.command("backup-key") for _ in range(2)]
    paths = [tmp_path / "right.txt", tmp_path / "wrong.txt"]
    for path, text in zip(paths, keys, strict=True):
        path.write_text(text)
    archive = str(tmp_path / "secret.age")
    recipient = keys[0].splitlines()[0].split()[-1]
    installation.command("backup", archive, "--recipient", recipient)
    content = (tmp_path / "secret.age").read_bytes()
    assert content.startswith(b"age-encryption.org/v1")
    assert "--identity" in target.error("restore", archive)
    assert "another key" in target.error("restore", archive, "--identity", str(paths[1]))
    assert "no private key" in target.error("restore", archive, "--identity", __file__)
    assert "not a public key" in installation.error("backup", "x", "--recipient", "age1x")
    (tmp_path / "cut.age").write_bytes(content[:-65_600])
    cut = target.error("restore", str(tmp_path / "cut.age"), "--identity", str(paths[0]))
    assert "cut off" in cut
    assert not await read_files(target)
    target.command("restore", archive, "--identity", str(paths[0]))
    assert await read_files(target) == files


def changed(content: bytes, name: str) -> bytes:
    """A copy of a backup in which one part is changed or missing."""
    output = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as source,
        tarfile.open(fileobj=output, mode="w:gz", compresslevel=1) as target,
    ):
        for info in source:
            file = source.extractfile(info)
            assert file
            part = file.read()
            if info.name.startswith(name):
                part = part[:-1] + bytes([part[-1] ^ 1])
            if not (info.name == name == "SHA256SUMS"):
                target.addfile(info, io.BytesIO(part))
    return output.getvalue()


@pytest.mark.parametrize("kind", ["cut off", "flipped", "files/", "database", "SHA256SUMS", "name"])
@pytest.mark.parametrize("catalogue_url", ["sqlite"], indirect=True)
async def test_a_changed_backup_is_refused_before_anything_is_written(
    installation: Installation, target: Installation, tmp_path: Path, kind: str
) -> None:
    store = FolderStore(Path(installation.files))
    await store.put(random_key(), in_chunks(b"content"))
    installation.command("backup", str(tmp_path / "whole"))
    content = (tmp_path / "whole").read_bytes()
    match kind:
        case "cut off":
            content = content[: len(content) // 2]
        case "flipped":
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        case "name":
            plain = gzip.decompress(content).replace(b"files/", b"../es/", 1)
            content = gzip.compress(plain, 1)
        case name:
            content = changed(content, name)
    (tmp_path / "changed").write_bytes(content)
    error = target.error("restore", str(tmp_path / "changed"))
    assert "Traceback" not in error
    assert not (tmp_path / "restored" / "camcha.sqlite3").exists()
    assert not await read_files(target)


@pytest.mark.parametrize("catalogue_url", ["sqlite"], indirect=True)
async def test_files_are_moved_from_one_kind_of_store_to_another(
    catalogue_url: str, tmp_path: Path
) -> None:
    server = S3Server(tmp_path_of(tmp_path, "s3"))
    try:
        settings = {"S3_KEY_ID": "key", "S3_SECRET": "secret"}
        location = f"s3://bucket/files?endpoint={server.address}&region=eu-west-3"
        source = Installation(catalogue_url, location, tmp_path, settings)
        key = random_key()
        await server.store.put(key, in_chunks(b"content"))
        source.command("backup", str(tmp_path / "all"))
        target = Installation(f"sqlite://{tmp_path}/new.sqlite3", f"{tmp_path}/new", tmp_path, {})
        target.command("restore", str(tmp_path / "all"))
        assert await read_files(target) == {key: b"content"}
        back = Installation(f"sqlite://{tmp_path}/back.sqlite3", location, tmp_path, settings)
        assert "CAMCHA_FILES" in back.error("restore", str(tmp_path / "all"))
        assert not (tmp_path / "back.sqlite3").exists()
        server.kill()
        assert "doesn't answer" in source.error("backup", str(tmp_path / "more"))
        assert not (tmp_path / "more").exists()
        assert "0 files" in source.command("backup", str(tmp_path / "more"), "--no-files")
    finally:
        server.kill()


def tmp_path_of(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


@pytest.mark.parametrize("catalogue_url", ["postgres"], indirect=True)
async def test_a_backup_that_fails_leaves_nothing(
    installation: Installation, tmp_path: Path
) -> None:
    folder = tmp_path_of(tmp_path, "target")
    installation.programs = tmp_path  # where there is no pg_dump
    assert "pg_dump was not found" in installation.error("backup", str(folder))
    assert archives(folder) == []


def test_a_damaged_database_is_not_backed_up(tmp_path: Path) -> None:
    path = tmp_path / "damaged.sqlite3"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE word (text UNIQUE)")
        database.executemany("INSERT INTO word VALUES (?)", [(f"{n:040}",) for n in range(2_000)])
        database.commit()
    assert sqlite_problem(path) is None
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(bytes(8_192))
    assert sqlite_problem(path)
    folder = tmp_path_of(tmp_path, "target")
    with pytest.raises(BackupError), sqlite_snapshot(path, folder):
        pass
    assert [*folder.iterdir()] == []


@pytest.mark.parametrize("catalogue_url", ["sqlite"], indirect=True)
def test_another_kind_of_database_is_refused(
    installation: Installation, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    installation.command("backup", str(tmp_path / "all"))
    with postgres_copy(request, "template1") as url:
        target = Installation(url, str(tmp_path / "new"), tmp_path, {})
        assert "another kind of database" in target.error("restore", str(tmp_path / "all"))


def test_a_backup_of_a_newer_version_is_refused() -> None:
    heads = Heads("7:abc", {"INVOICE": 3}, (2, 9))
    at = datetime(2026, 11, 23, 9, tzinfo=UTC)
    manifest = Manifest(at, "9.0", True, "sqlite", "SQLite 3", "9999_later", heads)
    assert Manifest.decode(manifest.encode()) == manifest
    with pytest.raises(BackupError, match="9999_later"):
        manifest.require_known_migration()
    with pytest.raises(BackupError, match="newer version"):
        Manifest.decode(manifest.encode().replace(b'"format": 1', b'"format": 2'))
    with pytest.raises(BackupError, match="can't be read"):
        Manifest.decode(b"{}")
