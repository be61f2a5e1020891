"""A server that speaks clamd's INSTREAM protocol, see clamd(8), and detects the EICAR test file."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# In two parts, so that no scanner flags this file
# (https://www.eicar.org/download-anti-malware-testfile/).
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}" + rb"$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class FakeClamd:
    """Answers as clamd does, or with `response`: bytes are sent as they are, and `None` closes the
    connection.
    """

    def __init__(self) -> None:
        self.port = 0
        self.scan_count = 0
        self.largest_chunk = 0
        self.response: bytes | None = b""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.scan_count += 1
        content = bytearray()
        try:
            assert await reader.readexactly(10) == b"zINSTREAM\0"
            while length := int.from_bytes(await reader.readexactly(4), "big"):
                self.largest_chunk = max(self.largest_chunk, length)
                content += await reader.readexactly(length)
            verdict = (
                b"stream: Win.Test.EICAR_HDB-1 FOUND\0" if EICAR in content else b"stream: OK\0"
            )
            writer.write((self.response or verdict) if self.response is not None else b"")
            await writer.drain()
        except asyncio.IncompleteReadError:
            pass  # the client disconnected
        finally:
            writer.close()

    @asynccontextmanager
    async def listen(self, port: int = 0) -> AsyncIterator["FakeClamd"]:
        """Listens on the port, or on a free one."""
        async with await asyncio.start_server(self._serve, "127.0.0.1", port) as server:
            self.port = server.sockets[0].getsockname()[1]
            yield self
