"""Where the bytes of files lie: the edge to a folder, or one day to an object store."""

import asyncio
import errno
import hashlib
import os
import re
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import BinaryIO, Protocol

_CHUNK = 64 * 1024
KEY = re.compile(r"[A-Za-z0-9_-]{16,64}")
_PARTIAL = "partial"
_ABANDONED_SECONDS = 3600
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # no room on the disk, in the quota, below the limit of the process


class StoreUnavailable(Exception):
    """The store does not answer, or refuses us. Nothing was lost: it can be tried again."""


class StoreFull(Exception):
    """There is no room for the bytes: nothing was stored, and the same may be tried again."""


@dataclass(frozen=True)
class StoredObject:
    """What was stored: its size in bytes and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


class Store(Protocol):
    """Keeps bytes under keys of 16 to 64 letters, digits, `-` and `_`. Any other key raises ValueError."""

    async def put(self, key: str, chunks: AsyncIterable[bytes]) -> StoredObject:
        """Store all the chunks, or nothing: what `chunks` raises comes through, and the key stays as it was.

        Raises StoreFull.
        """
        ...

    async def open(self, key: str) -> AsyncIterator[bytes]:
        """The bytes, in chunks. Raises FileNotFoundError."""
        ...

    async def delete(self, key: str) -> None:
        """Forget the bytes, if there are any."""
        ...


def random_key() -> str:
    """A key nobody can guess."""
    return token_urlsafe(32)


class FolderStore:
    """Implements Store in a folder. A file has its name only once it is whole and on the disk.

    Every process of the application may use the same folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        (root / _PARTIAL).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sweep()

    def _sweep(self) -> None:
        """Remove what a killed process left half written; another process may still be writing what is young."""
        for partial in (self._root / _PARTIAL).iterdir():
            if partial.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                partial.unlink(missing_ok=True)

    async def put(self, key: str, chunks: AsyncIterable[bytes]) -> StoredObject:
        """Write aside, reach the disk, then rename: killed at any point, no half file bears the key. Raises StoreFull."""
        path, partial = self._path(key), self._root / _PARTIAL / random_key()
        try:
            with _raising_store_full():
                with await asyncio.to_thread(partial.open, "xb") as file:
                    stored = await _write_chunks(file, chunks)
                await asyncio.to_thread(_publish, partial, path)
        finally:
            partial.unlink(missing_ok=True)
        return stored

    async def open(self, key: str) -> AsyncIterator[bytes]:
        """The bytes, in chunks of 64 KiB. Raises FileNotFoundError."""
        return _read(await asyncio.to_thread(self._path(key).open, "rb"))

    async def delete(self, key: str) -> None:
        """Forget the bytes, if there are any."""
        await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    def _path(self, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise ValueError("no key of a store")
        return self._root / key[:2] / key


@contextmanager
def _raising_store_full() -> Iterator[None]:
    """What the system says about a lack of room is StoreFull; its other errors come through."""
    try:
        yield
    except OSError as fault:
        if fault.errno in _FULL:
            raise StoreFull from fault
        raise


async def _write_chunks(file: BinaryIO, chunks: AsyncIterable[bytes]) -> StoredObject:
    digest, size = hashlib.sha256(), 0
    async for chunk in chunks:
        await asyncio.to_thread(file.write, chunk)
        digest.update(chunk)
        size += len(chunk)
    file.flush()
    await asyncio.to_thread(os.fsync, file.fileno())
    return StoredObject(size, digest.hexdigest())


def _publish(partial: Path, path: Path) -> None:
    path.parent.mkdir(exist_ok=True, mode=0o700)
    partial.replace(path)
    for folder in (path.parent, path.parent.parent):  # a rename outlives a power cut once its folders are on the disk
        _sync(folder)


def _sync(folder: Path) -> None:
    if os.name != "posix":  # elsewhere a folder can't be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def _read(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk
