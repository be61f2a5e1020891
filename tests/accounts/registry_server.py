"""A company registry on a port of its own, which speaks the protocol of the State's search
service.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson


def result(**facts: Any) -> dict[str, Any]:
    """One company as the registry returns it."""
    return {
        "siren": "404833048",
        "nom_complet": "LE FOURNIL (FOURNIL)",
        "nom_raison_sociale": "LE FOURNIL",
        **facts,
    }


def answer(body: Any, status: str = "200 OK", headers: str = "") -> bytes:
    """A complete HTTP response."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return (
        f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n{headers}\r\n".encode() + content
    )


@asynccontextmanager
async def serve_registry(
    reply: bytes | Callable[[], bytes] | None,
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Yields the registry's address and the requests it received. It sends `reply` to every
    request, or never answers when `reply` is None.
    """
    requests: list[bytes] = []
    server_closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        if reply is None:
            await server_closed.wait()
        else:
            writer.write(reply() if callable(reply) else reply)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", requests
        server_closed.set()
