"""Toy servers for the rig's own tests."""

import asyncio
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress

from bench.servers import Server


async def head(reader: Reader) -> bytes:
    """A request up to its body, nothing when the client left."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


@asynccontextmanager
async def served(serve: Callable[[Reader, Writer], Awaitable[None]], name: str = "toy") -> AsyncIterator[Server]:
    """A server whose connections are each served by `serve`, and closed by their end."""
    gone: list[asyncio.Future[None]] = []

    async def talk(reader: Reader, writer: Writer) -> None:
        gone.append(asyncio.get_running_loop().create_future())
        mine = gone[-1]
        with closing(writer), suppress(ConnectionError):
            await serve(reader, writer)
        mine.set_result(None)

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield Server(name, server.sockets[0].getsockname()[1], 0)
        await asyncio.gather(*gone)
    await asyncio.sleep(0)  # transports close one turn later


def mumbling(server: Server, word: bytes, instead: bytes) -> Callable[[Reader, Writer], Awaitable[None]]:
    """Serve what another server answers, with one word said otherwise."""

    async def pass_on(source: Reader, target: Writer, changed: bool) -> None:
        while text := await source.read(65_536):
            target.write(text.replace(word, instead) if changed else text)
        target.close()

    async def serve(reader: Reader, writer: Writer) -> None:
        answers, questions = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(pass_on(reader, questions, False), pass_on(answers, writer, True))

    return serve
