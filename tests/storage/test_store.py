"""The file store: writes are atomic even when the process is killed, and stay inside its folder."""

import asyncio
import errno
import os
import sys
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from storage.store import FolderStore, StoreFull, random_key
from tests.web.web_fixtures import bytewise

_KILLED = """
import asyncio, sys
from pathlib import Path
from storage.store import FolderStore

async def chunks():
    for _ in range(3):
        yield b"x" * 100_000
        await asyncio.sleep(0)
    print("halfway", flush=True)
    await asyncio.sleep(60)

asyncio.run(FolderStore(Path(sys.argv[1])).put("k" * 20, chunks()))
"""


async def test_a_killed_process_leaves_no_partial_file_under_a_key(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _KILLED, str(tmp_path), stdout=asyncio.subprocess.PIPE
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
    old, young = tmp_path / "partial" / "old", tmp_path / "partial" / "young"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    FolderStore(tmp_path)
    assert not old.exists()
    assert young.exists()


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
async def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path: Path, fault: int) -> None:
    async def full() -> AsyncIterator[bytes]:
        yield b"half"
        raise OSError(fault, os.strerror(fault))

    with pytest.raises(StoreFull):
        await FolderStore(tmp_path).put("k" * 20, full())
    assert _names(tmp_path) == {"partial"}


@pytest.mark.parametrize(
    "key",
    ["", "../../../../etc/passwd", "/etc/passwd-long-enough", "a" * 15, "a" * 65, "a" * 20 + "\n"],
)
async def test_a_key_never_leaves_the_folder(tmp_path: Path, key: str) -> None:
    store = FolderStore(tmp_path / "files")
    with pytest.raises(ValueError, match="not a key"):
        await store.put(key, bytewise(b"x"))
    with pytest.raises(ValueError, match="not a key"):
        await store.open(key)
    with pytest.raises(ValueError, match="not a key"):
        await store.delete(key)
    assert _names(tmp_path) == {"files", "partial"}


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


async def test_files_are_read_deleted_and_replaced_atomically(tmp_path: Path) -> None:
    store, key, large = FolderStore(tmp_path), random_key(), bytes(200_000)
    await store.put(key, bytewise(b"first"))
    stored = await store.put(key, bytewise(large, 70_000))
    assert (stored.size, stored.sha256) == (200_000, sha256(large).hexdigest())
    chunks = [chunk async for chunk in await store.open(key)]
    assert b"".join(chunks) == large
    assert len(chunks) > 1
    await store.delete(key)
    await store.delete(key)
    with pytest.raises(FileNotFoundError):
        await store.open(key)
