"""The file of a backup: `manifest.json`, the stored files, the database, and the checksums of all
of them in the format of sha256sum, as a tar archive compressed by gzip.

It is written and read from its beginning to its end, so its size doesn't matter. The checksums come
last: an archive without them was cut off. Every part can be extracted without this program:

    age --decrypt --identity key.txt backup.tar.gz.age | tar --extract --gzip
    sha256sum --check SHA256SUMS
"""

import hashlib
import tarfile
import tempfile
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from isal import igzip

from operations.backup.encryption import (
    MAGIC,
    BackupError,
    Identity,
    Recipient,
    decrypted,
    encrypted,
)
from storage.store import KEY_PATTERN

MANIFEST = "manifest.json"
CHECKSUMS = "SHA256SUMS"
DATABASES = {"sqlite": "database.sqlite3", "postgres": "database.dump"}
CHUNK_SIZE = 1 << 20
_FILES = "files/"
_MAX_MANIFEST_SIZE = 1 << 20


@dataclass(frozen=True)
class Member:
    """One part of a backup: its name, its size in bytes, and its content, to be read once."""

    name: str
    size: int
    content: Iterator[bytes]

    @property
    def key(self) -> str | None:
        """The key of a stored file in its store; None for other parts."""
        return self.name.removeprefix(_FILES) if self.name.startswith(_FILES) else None


def file_name(key: str) -> str:
    """The name of a stored file in a backup."""
    return f"{_FILES}{key}"


class ArchiveWriter:
    """Adds parts to an archive, each from a file that is read from its beginning."""

    def __init__(self, archive: tarfile.TarFile, checksums: BinaryIO) -> None:
        self._archive, self._checksums = archive, checksums

    def add(self, name: str, content: IO[bytes]) -> int:
        """Add one part. Returns its size in bytes."""
        digest = hashlib.sha256()
        content.seek(0)
        while chunk := content.read(CHUNK_SIZE):
            digest.update(chunk)
        size = content.tell()
        self._checksums.write(f"{digest.hexdigest()}  {name}\n".encode())
        self._add(name, content, size)
        return size

    def add_checksums(self) -> None:
        """Add the last part, after which the archive is complete."""
        self._add(CHECKSUMS, self._checksums, self._checksums.tell())

    def _add(self, name: str, content: IO[bytes], size: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = size, int(time.time()), 0o600
        content.seek(0)
        self._archive.addfile(info, content)


@contextmanager
def write_archive(
    target: BinaryIO, recipients: list[Recipient], folder: Path
) -> Iterator[ArchiveWriter]:
    """Write an archive to a file, encrypted if there are recipients. It is complete when the body
    has ended without an exception. `folder` has space for temporary files.
    """
    with ExitStack() as stack:
        output = stack.enter_context(encrypted(target, recipients)) if recipients else target
        compressed = stack.enter_context(_gzip(output, "wb"))
        archive = stack.enter_context(
            tarfile.open(fileobj=compressed, mode="w|", format=tarfile.GNU_FORMAT)
        )
        checksums = stack.enter_context(tempfile.TemporaryFile(dir=folder))
        writer = ArchiveWriter(archive, cast("BinaryIO", checksums))
        yield writer
        writer.add_checksums()


Handler = Callable[[Member], Awaitable[None]]


async def read_archive(path: Path, identities: list[Identity], handle: Handler) -> None:
    """Call a function with every part of an archive, except the checksums, in its order, and verify
    all of them. What the function leaves unread is read afterwards.

    Raises BackupError and BackupKeyError; then parts that were passed on before may be wrong.
    """
    with ExitStack() as stack:
        source = stack.enter_context(_open(path))
        is_encrypted = source.read(len(MAGIC)) == MAGIC
        source.seek(0)
        if is_encrypted and not identities:
            raise BackupError(f"{path} is encrypted: name the file of its key with --identity")
        if is_encrypted:
            source = stack.enter_context(decrypted(source, identities))
        try:
            await _read(stack, source, handle)
        except (tarfile.TarError, EOFError, zlib.error, igzip.BadGzipFile) as error:
            raise BackupError(f"{path} is no backup, or was changed or cut off ({error})") from None


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise BackupError(f"{path}: {error.strerror}") from None


async def _read(stack: ExitStack, source: BinaryIO, handle: Handler) -> None:
    expanded = stack.enter_context(_gzip(source, "rb"))
    tar = tarfile.open(fileobj=expanded, mode="r|")  # noqa: SIM115 - the stack closes it
    archive = stack.enter_context(tar)
    computed, stored = hashlib.sha256(), b""
    for info in archive:
        content = archive.extractfile(info) if info.isreg() else None
        if content is None or stored or not _is_expected(info):
            raise BackupError(f"the archive contains {info.name}, which no backup contains")
        if info.name == CHECKSUMS:
            stored = _digest_of_checksums(content)
            continue
        digest = hashlib.sha256()
        chunks = _chunks(content, digest.update)
        await handle(Member(info.name, info.size, chunks))
        for _ in chunks:
            pass
        computed.update(f"{digest.hexdigest()}  {info.name}\n".encode())
    while expanded.read(CHUNK_SIZE):  # the end has a checksum of its own
        pass
    if not stored:
        raise BackupError("the backup has no checksums, so it was cut off")
    if stored != computed.digest():
        raise BackupError("the content of the backup differs from its checksums")


def _gzip(file: BinaryIO, mode: str) -> BinaryIO:
    return cast("BinaryIO", igzip.IGzipFile(fileobj=file, mode=mode))  # type: ignore[no-untyped-call] # it has no types


def _is_expected(info: tarfile.TarInfo) -> bool:
    if info.name.startswith(_FILES):
        return KEY_PATTERN.fullmatch(info.name.removeprefix(_FILES)) is not None
    if info.name == MANIFEST:
        return info.size <= _MAX_MANIFEST_SIZE
    return info.name in (CHECKSUMS, *DATABASES.values())


def _chunks(content: IO[bytes], update: Callable[[bytes], None]) -> Iterator[bytes]:
    while chunk := content.read(CHUNK_SIZE):
        update(chunk)
        yield chunk


def _digest_of_checksums(content: IO[bytes]) -> bytes:
    digest = hashlib.sha256()
    while chunk := content.read(CHUNK_SIZE):
        digest.update(chunk)
    return digest.digest()
