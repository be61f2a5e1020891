"""The file store: writes are atomic even when the process is killed, and stay inside its folder."""

import asyncio
import errno
import os
import sys
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from random import randbytes

import pytest

from storage.store import FolderStore, StoreFull, random_key
from tests.web.web_fixtures import in_chunks

ROOT = Path(__file__).parents[2]


async def test_a_killed_process_leaves_no_partial_file_under_a_key(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        ROOT / "tests" / "programs" / "write_slowly.py",
        str(tmp_path),
        "k" * 20,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    assert await process.stdout.readline() == b"halfway\n"
    process.kill()
    await process.wait()
    store = FolderStore(tmp_path)
    with pytest.raises(FileNotFoundError):
        await store.open("k" * 20)


def test_old_partial_files_are_deleted_and_recent_ones_kept(tmp_path: Path) -> None:
    FolderStore(tmp_path)
    old, recent = tmp_path / "partial" / "old", tmp_path / "partial" / "young"
    for path in (old, recent):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    FolderStore(tmp_path)
    assert not old.exists()
    assert recent.exists()


@pytest.mark.parametrize("error_number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
async def test_a_full_disk_is_reported_and_leaves_nothing(
    tmp_path: Path, error_number: int
) -> None:
    async def write_to_full_disk() -> AsyncIterator[bytes]:
        yield b"half"
        raise OSError(error_number, os.strerror(error_number))

    with pytest.raises(StoreFull):
        await FolderStore(tmp_path).put("k" * 20, write_to_full_disk())
    assert _file_names(tmp_path) == {"partial"}


@pytest.mark.parametrize(
    "key",
    ["", "../../../../etc/passwd", "/etc/passwd-long-enough", "a" * 15, "a" * 65, "a" * 20 + "\n"],
)
async def test_a_key_never_leaves_the_folder(tmp_path: Path, key: str) -> None:
    store = FolderStore(tmp_path / "files")
    with pytest.raises(ValueError, match="not a key"):
        await store.put(key, in_chunks(b"x"))
    with pytest.raises(ValueError, match="not a key"):
        await store.open(key)
    with pytest.raises(ValueError, match="not a key"):
        await store.delete(key)
    assert _file_names(tmp_path) == {"files", "partial"}


def _file_names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


async def test_files_are_read_deleted_and_replaced_atomically(tmp_path: Path) -> None:
    store, key, content = FolderStore(tmp_path), random_key(), randbytes(200_000)
    await store.put(key, in_chunks(b"first"))
    stored = await store.put(key, in_chunks(content, 70_000))
    assert (stored.size, stored.sha256) == (200_000, sha256(content).hexdigest())
    chunks = [chunk async for chunk in await store.open(key)]
    assert b"".join(chunks) == content
    assert len(chunks) > 1
    for start, end in ((0, 1), (100_000, None), (65_000, 199_999)):
        part = [chunk async for chunk in await store.open(key, start, end)]
        assert b"".join(part) == content[start:end]
    await store.delete(key)
    await store.delete(key)
    with pytest.raises(FileNotFoundError):
        await store.open(key)
