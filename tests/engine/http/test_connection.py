"""A real server and real sockets: clients that disconnect, and bytes that no HTTP library would
send.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import uvicorn
from starlette.applications import Starlette

from engine import Engine

if TYPE_CHECKING:
    from tests.engine.conftest import Shop

Address = tuple[str, int]


@pytest.fixture
async def address(asgi: Starlette) -> AsyncIterator[Address]:
    server = uvicorn.Server(
        uvicorn.Config(asgi, port=0, log_level="error", lifespan="off", ws="none")
    )
    server_task = asyncio.create_task(server.serve())
    while not server.started:  # uvicorn has no event to wait for
        await asyncio.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()
    yield host, port
    server.should_exit = True
    await server_task


async def exchange(address: Address, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request)
    response = await asyncio.wait_for(reader.read(), 120)
    writer.close()
    await writer.wait_closed()
    return response


async def send_and_disconnect(address: Address, operation: str, shop: Shop) -> None:
    """Post an operation, and disconnect as soon as it runs."""
    body = b'{"query": "%s"}' % operation.encode()
    _reader, writer = await asyncio.open_connection(*address)
    head = (
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
        b"%d\r\n\r\n" % len(body)
    )
    writer.write(head + body)
    await asyncio.wait_for(shop.started.wait(), 120)
    writer.close()
    await writer.wait_closed()


async def wait_for_log(shop: Shop) -> list[str]:
    while not shop.log:
        await asyncio.sleep(0.02)
    return shop.log


async def test_a_query_is_cancelled_when_its_client_disconnects(
    address: Address, shop: Shop
) -> None:
    await send_and_disconnect(address, "{ slow }", shop)
    assert await wait_for_log(shop) == ["cancelled"]


async def test_a_mutation_finishes_when_its_client_disconnects(
    address: Address, shop: Shop, engine: Engine
) -> None:
    await send_and_disconnect(address, "mutation { slowAdd }", shop)
    # Longer than the endpoint waits before it watches the client of a query.
    await asyncio.sleep(0.5)
    assert shop.log == []
    shop.may_continue.set()
    await engine.drain()
    assert await wait_for_log(shop) == ["done"]


async def test_a_query_watched_for_disconnection_still_responds(
    address: Address, shop: Shop
) -> None:
    asyncio.get_running_loop().call_later(0.5, shop.may_continue.set)
    request = (
        b"GET /graphql?query=%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        % quote("{slow}").encode()
    )
    assert b'{"data":{"slow":"done"}' in await exchange(address, request)


async def test_raw_bytes_in_the_query_string_are_400(address: Address) -> None:
    request = b"GET /graphql?query=\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert (await exchange(address, request)).startswith(b"HTTP/1.1 400")


async def test_a_chunked_body_that_is_too_large_is_413(address: Address) -> None:
    head = (
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: "
        b"application/json\r\nTransfer-Encoding: "
        b"chunked\r\n"
    )
    chunks = (b"10000\r\n" + b" " * 65_536 + b"\r\n") * 17
    response = await exchange(address, head + b"Connection: close\r\n\r\n" + chunks + b"0\r\n\r\n")
    assert response.startswith(b"HTTP/1.1 413")


async def test_a_client_that_disconnects_while_sending_does_no_harm(address: Address) -> None:
    _reader, writer = await asyncio.open_connection(*address)
    writer.write(
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
        b"99\r\n\r\n{"
    )
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    request = b"GET /graphql?query=%7Bhello%7D HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert b"Hello you" in await exchange(address, request)
