"""The interface to a virus scanner, and its implementation with clamd, ClamAV's daemon."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

_TIMEOUT_SECONDS = 60  # for one file, including connecting and the answer
_MAX_ANSWER = 4096


class ScannerUnavailable(Exception):
    """The scanner could not examine a file. Try again later. `reason` contains nothing from the
    file.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Scanner(Protocol):
    """A virus scanner."""

    async def scan(self, chunks: AsyncIterator[bytes]) -> str | None:
        """Return the name of the virus found in the content, or None when it is clean. Raises
        ScannerUnavailable.
        """
        ...


def scanner_from_url(url: str) -> Scanner:
    """Return the scanner at `tcp://host:port` or `unix:///path`: clamd's TCPSocket or LocalSocket.
    Raises ValueError.
    """
    parts = urlsplit(url)
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError("an address without options")
    if parts.scheme == "tcp" and parts.hostname and not parts.path:
        return Clamd(parts.hostname, parts.port or 3310)
    if parts.scheme == "unix" and not parts.netloc and parts.path:
        return Clamd(None, 0, Path(unquote(parts.path)))
    raise ValueError("tcp://host:3310 or unix:///path/to/clamd.ctl")


@dataclass(frozen=True)
class Clamd:
    """Implements Scanner with clamd's INSTREAM command (clamd(8)): each chunk follows its length in
    four bytes, and a length of 0 ends the stream.
    """

    host: str | None
    port: int
    path: Path | None = None

    async def scan(self, chunks: AsyncIterator[bytes]) -> str | None:
        """See Scanner. Holds one chunk at a time. Exceptions from `chunks` propagate."""
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                reader, writer = await self._connect()
                try:
                    await _send(writer, chunks)
                    answer = await reader.read(_MAX_ANSWER)
                finally:
                    writer.close()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ScannerUnavailable(type(error).__name__) from error
        return _verdict(answer)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.path is None:
            return await asyncio.open_connection(self.host, self.port)
        try:
            return await asyncio.open_unix_connection(self.path)
        except FileNotFoundError as error:  # the socket's path, not the file
            raise ScannerUnavailable("no socket") from error


async def _send(writer: asyncio.StreamWriter, chunks: AsyncIterator[bytes]) -> None:
    writer.write(b"zINSTREAM\0")
    async for chunk in chunks:
        if chunk:  # an empty chunk would end the stream
            writer.write(len(chunk).to_bytes(4, "big") + chunk)
            await writer.drain()
    writer.write(bytes(4))
    await writer.drain()


def _verdict(answer: bytes) -> str | None:
    """Parse `stream: OK` or `stream: <name> FOUND`. Raises ScannerUnavailable for anything else,
    including a partial answer.
    """
    if answer == b"stream: OK\0":
        return None
    if answer.startswith(b"stream: ") and answer.endswith(b" FOUND\0"):
        return answer[len(b"stream: ") : -len(b" FOUND\0")].decode("ascii", "replace")
    raise ScannerUnavailable("no verdict")
