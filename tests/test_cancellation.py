"""A request whose client disconnected or whose time limit is over cancels its statement, without
affecting others.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest
import uvicorn

from app import FastPath, create_app
from engine import Limits
from settings import read_settings
from tests.story.server_fixtures import SECRET_KEY
from tests.waiting import MAX_WAIT, driver_url

BODY = b'{"query": "{ offers { nodes { slug } } }"}'
REQUEST_HEAD = (
    b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
    b"%d\r\n\r\n" % len(BODY)
)
DISCONNECTING_CLIENTS = 25  # more than the pool's size, if they kept their connections

pytestmark = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


@pytest.fixture
def app(database_url: str, tmp_path: Path) -> FastPath:
    environ = {
        "CAMCHA_DATABASE_URL": database_url,
        "CAMCHA_SECRET_KEY": SECRET_KEY,
        "CAMCHA_MAIL_URL": f"file://{tmp_path}/mail",
    }
    # Without the jobs, whose statements may wait for the same lock.
    return create_app(read_settings(environ), works=False)


@pytest.fixture
async def address(app: FastPath) -> AsyncIterator[tuple[str, int]]:
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="error", lifespan="on", ws="none")
    )
    server_task = asyncio.create_task(server.serve())
    while not server.started:  # uvicorn only sets a flag
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()
    server.should_exit = True
    await server_task


@asynccontextmanager
async def lock_offers(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Locks the offers, so that no one can read them."""
    lock_holder = await asyncpg.connect(driver_url(database_url))
    try:
        async with lock_holder.transaction():
            await lock_holder.execute('LOCK TABLE "offer" IN ACCESS EXCLUSIVE MODE')
            yield lock_holder
    finally:
        await lock_holder.close()


async def wait_for_waiters(lock_holder: asyncpg.Connection, number: int) -> None:
    """Waits until `number` statements wait for the lock."""
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
        "wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(MAX_WAIT):
        while await lock_holder.fetchval(query) != number:
            await asyncio.sleep(0.02)
            # otherwise a transaction doesn't see new connections
            await lock_holder.execute("SELECT pg_stat_clear_snapshot()")


async def send_request(address: tuple[str, int]) -> httpx.Response:
    async with httpx.AsyncClient(
        base_url=f"http://{address[0]}:{address[1]}", timeout=MAX_WAIT
    ) as client:
        return await client.post(
            "/graphql", content=BODY, headers={"content-type": "application/json"}
        )


async def test_a_statement_is_cancelled_when_its_client_disconnects(
    address: tuple[str, int], database_url: str
) -> None:
    async with lock_offers(database_url) as lock_holder:
        for _ in range(DISCONNECTING_CLIENTS):
            _reader, writer = await asyncio.open_connection(*address)
            writer.write(REQUEST_HEAD + BODY)
            await wait_for_waiters(lock_holder, 1)
            writer.close()
            await wait_for_waiters(lock_holder, 0)
    assert "errors" not in (await send_request(address)).json()


async def test_a_statement_is_cancelled_at_its_time_limit(
    app: FastPath, address: tuple[str, int], database_url: str
) -> None:
    app.graphql.engine.limits = Limits(timeout=0.5)
    async with lock_offers(database_url) as lock_holder:
        responses = await asyncio.gather(
            *(send_request(address) for _ in range(DISCONNECTING_CLIENTS))
        )
        await wait_for_waiters(lock_holder, 0)
    for response in responses:
        assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (
            200,
            "TIMEOUT",
        )
    app.graphql.engine.limits = Limits()
    assert "errors" not in (await send_request(address)).json()


async def test_other_requests_are_served_during_a_slow_statement(
    address: tuple[str, int], database_url: str
) -> None:
    async with lock_offers(database_url) as lock_holder:
        blocked_request = asyncio.create_task(send_request(address))
        await wait_for_waiters(lock_holder, 1)
        async with httpx.AsyncClient(base_url=f"http://{address[0]}:{address[1]}") as client:
            response = await client.post(
                "/graphql", json={"query": "{ articles { nodes { slug } } }"}
            )
        assert "errors" not in response.json()
        assert not blocked_request.done()
    assert "errors" not in (await blocked_request).json()
