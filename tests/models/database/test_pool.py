"""The pools of PostgreSQL: bounded, fair, and replaced when the server is lost."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from random import Random
from typing import Any

import asyncpg
import pytest
from tortoise.connection import get_connection

from models.database.postgres import PostgresClient
from models.database.workload import Workload, assign_person, workload
from models.errors import ServiceUnavailable
from tests.waiting import MAX_WAIT

pytestmark = [
    pytest.mark.usefixtures("db"),
    pytest.mark.parametrize("database_url", ["postgres"], indirect=True),
]


@pytest.fixture
async def two_connections(db: str) -> AsyncIterator[PostgresClient]:
    """A client with two connections for each workload."""
    client = await small_client(interactive_connections=2)
    yield client
    await client.close()


async def small_client(**options: Any) -> PostgresClient:
    """Another client of the database in use."""
    client = get_connection("default")
    assert isinstance(client, PostgresClient)
    settings = {
        name: getattr(client, name) for name in ("user", "password", "database", "host", "port")
    }
    extra = client.extra | {"options": replace(client.extra["options"], **options)}
    return PostgresClient(**settings, connection_name="two_connections", **extra)


def idle_count(client: PostgresClient) -> int:
    return len(client._pool.current._idle)


async def test_cancelled_and_broken_connections_are_replaced() -> None:
    client = get_connection("default")
    assert isinstance(client, PostgresClient)
    for _ in range(30):
        task = asyncio.create_task(client.read("SELECT pg_sleep(3)", []))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(asyncpg.PostgresError):
            await client.read("SELECT nothing FROM nowhere", [])
    await client.read("SELECT 1", [])
    for connection in client._pool.current._idle:
        connection.terminate()
    assert [tuple(row) for row in await client.read("SELECT 1", [])] == [(1,)]


@pytest.mark.parametrize("seed", range(8))
async def test_two_connections_serve_random_loads(
    two_connections: PostgresClient, seed: int
) -> None:
    random = Random(seed)

    async def read_one(number: int) -> int:
        assign_person(random.choice([None, "a", "b"]))
        rows = await two_connections.read(
            "SELECT $1::int FROM pg_sleep($2)", [number, random.random() / 100]
        )
        return int(rows[0][0])

    async def read_in_transaction(number: int) -> int:
        async with two_connections._in_transaction() as db:
            _, rows = await db.execute_query("SELECT $1::int FROM pg_sleep(0.003)", [number])
        return int(rows[0][0])

    async def divide_by_zero(number: int) -> int:
        with pytest.raises(asyncpg.PostgresError):
            await two_connections.read("SELECT 1 / $1::int", [0])
        return number

    for _ in range(10):
        tasks = [
            asyncio.ensure_future(
                random.choice([read_one, read_one, read_in_transaction, divide_by_zero])(number)
            )
            for number in range(12)
        ]
        for task in random.sample(tasks, 4):
            await asyncio.sleep(random.random() / 200)
            task.cancel()
        async with asyncio.timeout(MAX_WAIT):
            rows = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(
            each == number or isinstance(each, asyncio.CancelledError)
            for number, each in enumerate(rows)
        )
    assert [await read_one(number) for number in range(3)] == [0, 1, 2]
    pool = two_connections._pool.current
    await asyncio.gather(*pool._closing)
    assert (pool._queue._used, pool._queue._waiting) == (0, {})
    assert 1 <= len(pool._idle) <= 2


async def test_a_transaction_gets_a_connection_under_constant_load(
    two_connections: PostgresClient,
) -> None:
    running = True

    async def read_repeatedly() -> None:
        while running:
            await two_connections.read("SELECT 1", [])

    readers = [asyncio.create_task(read_repeatedly()) for _ in range(6)]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(MAX_WAIT):
        for _ in range(5):
            async with two_connections._in_transaction():
                pass
    running = False
    await asyncio.gather(*readers)


async def test_connections_are_reused(two_connections: PostgresClient) -> None:
    backend = "SELECT pg_backend_pid() AS pid"
    [(first,)] = await two_connections.read(backend, [])
    with pytest.raises(asyncpg.PostgresError):
        await two_connections.read("SELECT 1 / 0", [])
    async with two_connections._in_transaction() as db:
        [row] = await db.execute_query_dict(backend)
    assert row["pid"] == first
    with pytest.raises(ZeroDivisionError):
        async with two_connections._in_transaction():
            raise ZeroDivisionError
    assert [tuple(row) for row in await two_connections.read(backend, [])] == [(first,)]
    assert idle_count(two_connections) == 1


async def test_every_workload_has_connections_of_its_own(two_connections: PostgresClient) -> None:
    """Two statements occupy all connections of one workload, and the others answer."""
    tasks = [asyncio.create_task(two_connections.read("SELECT pg_sleep(30)", [])) for _ in range(2)]
    while not two_connections._pool or two_connections._pool.current._queue._used < 2:
        await asyncio.sleep(0)
    for kind in set(Workload) - {Workload.INTERACTIVE}:
        with workload(kind):
            assert [tuple(row) for row in await two_connections.read("SELECT 2", [])] == [(2,)]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_transaction_that_waits_for_a_lock_leaves_connections_to_reads() -> None:
    """As many transactions as are allowed wait for a lock, and a single statement is executed."""
    client = await small_client(interactive_connections=4, lock_timeout=60)
    await client.execute_script("CREATE TABLE locked AS SELECT 1 AS id")

    async def lock() -> None:
        async with client._in_transaction() as db:
            await db.execute_query("SELECT 1 FROM locked FOR UPDATE")

    async with client._in_transaction() as db:
        await db.execute_query("SELECT 1 FROM locked FOR UPDATE")
        waiting = [asyncio.create_task(lock()) for _ in range(20)]
        await asyncio.sleep(0.05)
        async with asyncio.timeout(MAX_WAIT):
            assert [tuple(row) for row in await client.read("SELECT 2", [])] == [(2,)]
    await asyncio.gather(*waiting)
    await client.close()


async def test_a_slow_statement_is_refused_and_its_connection_reused() -> None:
    client = await small_client(
        interactive_connections=1, interactive_timeout=0.2, lock_timeout=0.1
    )
    for _ in range(2):
        with pytest.raises(ServiceUnavailable) as slow:
            await client.read("SELECT pg_sleep(60)", [])
        assert isinstance(slow.value.__cause__, asyncpg.QueryCanceledError)
    async with client._in_transaction():
        with pytest.raises(ServiceUnavailable, match="no connection is free"):
            await client.read("SELECT 1", [])
    assert idle_count(client) == 1
    await client.close()


async def test_a_lock_that_is_held_too_long_is_refused() -> None:
    client = await small_client(lock_timeout=0.1)
    await client.execute_script("CREATE TABLE locked AS SELECT 1 AS id")
    async with client._in_transaction() as db:
        await db.execute_query("SELECT 1 FROM locked FOR UPDATE")
        with pytest.raises(ServiceUnavailable) as refused:
            async with client._in_transaction() as other:
                await other.execute_query("SELECT 1 FROM locked FOR UPDATE")
        assert isinstance(refused.value.__cause__, asyncpg.LockNotAvailableError)
    await client.close()


async def test_when_the_server_is_lost_all_connections_are_replaced(
    two_connections: PostgresClient,
) -> None:
    backend = "SELECT pg_backend_pid()"
    with workload(Workload.CHAT):
        before = await two_connections.read(backend, [])
    with pytest.raises(ServiceUnavailable):
        await two_connections.read("SELECT pg_terminate_backend(pg_backend_pid())", [])
    with workload(Workload.CHAT):
        assert await two_connections.read(backend, []) != before
