"""The virus scanner: an edge to whoever looks into bytes. Here clamd, ClamAV's daemon, asked over a socket of its own."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

_SECONDS = 60  # for one file, connection and answer included
_LONGEST_ANSWER = 4096


class ScannerUnavailable(Exception):
    """No verdict was to be had: try again later. `reason` holds nothing of the file."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Scanner(Protocol):
    """Looks for viruses."""

    async def scan(self, chunks: AsyncIterator[bytes]) -> str | None:
        """The name of what was found in the bytes, None when they are clean. Raises ScannerUnavailable when nobody can tell."""
        ...


def scanner_from_url(url: str) -> Scanner:
    """The scanner at `tcp://host:port` or `unix:///path` (clamd's TCPSocket, LocalSocket). Raises ValueError."""
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
    """Implements Scanner by clamd's INSTREAM (clamd(8)): each chunk behind its length in four bytes, a length of 0 last."""

    host: str | None
    port: int
    path: Path | None = None

    async def scan(self, chunks: AsyncIterator[bytes]) -> str | None:
        """See Scanner. Chunks pass by one at a time. What reading them raises comes through."""
        try:
            async with asyncio.timeout(_SECONDS):
                reader, writer = await self._connected()
                try:
                    await _send(writer, chunks)
                    answer = await reader.read(_LONGEST_ANSWER)
                finally:
                    writer.close()
        except FileNotFoundError:
            raise
        except OSError as fault:
            raise ScannerUnavailable(type(fault).__name__) from fault
        return _verdict(answer)

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.path is None:
            return await asyncio.open_connection(self.host, self.port)
        try:
            return await asyncio.open_unix_connection(self.path)
        except FileNotFoundError as fault:  # of the socket, not of the file
            raise ScannerUnavailable("no socket") from fault


async def _send(writer: asyncio.StreamWriter, chunks: AsyncIterator[bytes]) -> None:
    writer.write(b"zINSTREAM\0")
    async for chunk in chunks:
        if chunk:  # an empty one would be the end
            writer.write(len(chunk).to_bytes(4, "big") + chunk)
            await writer.drain()
    writer.write(bytes(4))
    await writer.drain()


def _verdict(answer: bytes) -> str | None:
    """`stream: OK`, or `stream: <name> FOUND`. Anything else, half an answer too, is none."""
    if answer == b"stream: OK\0":
        return None
    if answer.startswith(b"stream: ") and answer.endswith(b" FOUND\0"):
        return answer[len(b"stream: ") : -len(b" FOUND\0")].decode("ascii", "replace")
    raise ScannerUnavailable("no verdict")
