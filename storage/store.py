"""The interface to a store of file contents, and its implementation in a folder."""

import asyncio
import errno
import hashlib
import os
import re
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from secrets import token_urlsafe
from typing import BinaryIO, Protocol

_CHUNK_SIZE = 64 * 1024
KEY_PATTERN = re.compile(r"[A-Za-z0-9_-]{16,64}")
_PARTIAL_FOLDER = "partial"
_FOLDER_LENGTH = 2  # of the folders' names, which are the beginnings of keys
_ABANDONED_SECONDS = 3600
# disk full, quota exceeded, or the process's limit
_NO_SPACE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class StoreUnavailable(Exception):
    """The store doesn't answer, or refuses access. Nothing was lost, and the call can be
    repeated.
    """


class StoreFull(Exception):
    """There is no space for the content. Nothing was stored, and the call can be repeated."""


@dataclass(frozen=True)
class StoredObject:
    """The size of stored content in bytes, and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


class Store(Protocol):
    """Stores content under keys of 16 to 64 letters, digits, `-` and `_`. Any other key raises
    ValueError.
    """

    async def put(self, key: str, chunks: AsyncIterable[bytes]) -> StoredObject:
        """Store all chunks, or nothing: if `chunks` raises, the exception propagates and the key
        keeps its content.

        Raises StoreFull.
        """
        ...

    async def open(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Return the content from the byte `start` up to but without the byte `end`, in chunks.
        Raises FileNotFoundError.
        """
        ...

    async def delete(self, key: str) -> None:
        """Delete the content, if there is any."""
        ...

    def stored_keys(self) -> AsyncIterator[str]:
        """Yield the keys of all stored content, in any order."""
        ...


def random_key() -> str:
    """Return a key that can't be guessed."""
    return token_urlsafe(32)


class FolderStore:
    """Implements Store in a folder. A file gets its name once it is complete and written to disk.

    All processes of the application may use the same folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        (root / _PARTIAL_FOLDER).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._delete_stale_files()

    def _delete_stale_files(self) -> None:
        """Delete partial files of killed processes. Recent ones may still be written by another
        process.
        """
        for partial_path in (self._root / _PARTIAL_FOLDER).iterdir():
            if partial_path.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                partial_path.unlink(missing_ok=True)

    async def put(self, key: str, chunks: AsyncIterable[bytes]) -> StoredObject:
        """Write to a partial file, sync it, then rename it, so that a killed process never leaves
        half a file under the key.

        Raises StoreFull."""
        path, partial_path = self._path(key), self._root / _PARTIAL_FOLDER / random_key()
        try:
            with _translate_full_errors():
                with await asyncio.to_thread(partial_path.open, "xb") as file:
                    stored_object = await _write_chunks(file, chunks)
                await asyncio.to_thread(_publish, partial_path, path)
        finally:
            partial_path.unlink(missing_ok=True)
        return stored_object

    async def open(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Return a part of the content in chunks of 64 KiB. Raises FileNotFoundError."""
        file = await asyncio.to_thread(self._path(key).open, "rb")
        if start:
            file.seek(start)
        return _read(file, None if end is None else end - start)

    async def delete(self, key: str) -> None:
        """Delete the content, if there is any."""
        await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    async def stored_keys(self) -> AsyncIterator[str]:
        """Yield the names of all complete files."""
        for folder in await asyncio.to_thread(_names, self._root):
            if len(folder) == _FOLDER_LENGTH:
                for name in await asyncio.to_thread(_names, self._root / folder):
                    if KEY_PATTERN.fullmatch(name):
                        yield name

    def _path(self, key: str) -> Path:
        if not KEY_PATTERN.fullmatch(key):
            raise ValueError("not a key of a store")
        return self._root / key[:_FOLDER_LENGTH] / key


def _names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder)) if folder.is_dir() else []


@contextmanager
def _translate_full_errors() -> Iterator[None]:
    """Raise StoreFull for the operating system's errors about missing space. Others propagate."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE_ERRORS:
            raise StoreFull from error
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


def _publish(partial_path: Path, path: Path) -> None:
    path.parent.mkdir(exist_ok=True, mode=0o700)
    partial_path.replace(path)
    # a rename survives a power failure once its folders are synced
    for folder in (path.parent, path.parent.parent):
        _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # other systems can't open a folder
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def _read(file: BinaryIO, length: int | None) -> AsyncIterator[bytes]:
    remaining = inf if length is None else length
    with file:
        while chunk := await asyncio.to_thread(file.read, int(min(_CHUNK_SIZE, remaining))):
            yield chunk
            remaining -= len(chunk)
