"""Fake servers for the tests of the benchmark."""

import asyncio
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress

from bench.servers import Server

Handler = Callable[[Reader, Writer], Awaitable[None]]


async def read_head(reader: Reader) -> bytes:
    """A request up to its body; nothing when the client has disconnected."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


@asynccontextmanager
async def running_fake_server(handler: Handler, name: str = "fake") -> AsyncIterator[Server]:
    """A server that calls the handler for each connection, and closes the connection afterwards."""
    connections: list[asyncio.Future[None]] = []

    async def handle(reader: Reader, writer: Writer) -> None:
        done = asyncio.get_running_loop().create_future()
        connections.append(done)
        with closing(writer), suppress(ConnectionError):
            await handler(reader, writer)
        done.set_result(None)

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield Server(name, server.sockets[0].getsockname()[1], 0)
        await asyncio.gather(*connections)
    await asyncio.sleep(0)  # transports close one iteration later


def altering_proxy(server: Server, text: bytes, replacement: bytes) -> Handler:
    """A handler that passes requests on to another server, and replaces this text in the
    responses.
    """

    async def forward(source: Reader, target: Writer, is_response: bool) -> None:
        while data := await source.read(65_536):
            target.write(data.replace(text, replacement) if is_response else data)
        target.close()

    async def handler(reader: Reader, writer: Writer) -> None:
        responses, requests = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(forward(reader, requests, False), forward(responses, writer, True))

    return handler
