"""A service for VAT numbers on a port of its own, which speaks the protocol of VIES."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.accounts.registry_server import answer

CONSULTATION_NUMBER = "WAPIAAAAY1234567"


@dataclass
class VatServer:
    """What the service knows, and what it was asked. A test changes it while it runs."""

    url: str = ""
    names: dict[str, str] = field(default_factory=dict)  # of the valid numbers
    outage: str | None = None  # the userError of every answer, such as MS_UNAVAILABLE
    is_silent: bool = False
    raw: bytes | None = None  # instead of any answer
    paths: list[str] = field(default_factory=list)

    def reply(self, path: str) -> bytes:
        self.paths.append(path)
        if self.raw is not None:
            return self.raw
        match = re.fullmatch(r"/rest-api/ms/(\w\w)/vat/(\w+)(\?.*)?", path)
        assert match, path
        name = self.names.get(match[1] + match[2])
        body: dict[str, Any] = {
            "isValid": name is not None and self.outage is None,
            "requestDate": "2026-11-23T09:00:00.000Z",
            "userError": self.outage or ("INVALID" if name is None else "VALID"),
            "name": name or "---",
            "address": "---",
            "requestIdentifier": CONSULTATION_NUMBER if "requesterNumber=" in path else "",
            "vatNumber": match[2],
        }
        return answer(body)


@asynccontextmanager
async def serve_vat_numbers() -> AsyncIterator[VatServer]:
    """Yields the running service."""
    server_closed = asyncio.Event()
    service = VatServer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if service.is_silent:
            await server_closed.wait()
        else:
            writer.write(service.reply(request.split(b" ")[1].decode()))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    async with server:
        service.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/rest-api"
        yield service
        server_closed.set()
