"""A proxy in front of a PostgreSQL database of its own, and a server that uses it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bench.proxy import SHORT_TIMEOUTS, Proxy, socket_path, url_through_proxy
from tests.conftest import database_copy
from tests.story.server_fixtures import Server


@pytest.fixture
def postgres_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh database, migrated and with the catalogue."""
    with database_copy(request, "postgres", tmp_path, catalogue=True) as url:
        yield url


@pytest.fixture
async def proxy(postgres_database: str) -> AsyncIterator[Proxy]:
    async with Proxy(socket_path(postgres_database)).running() as proxy:
        yield proxy


@pytest.fixture
async def server(proxy: Proxy, postgres_database: str, tmp_path: Path) -> AsyncIterator[Server]:
    """A server whose database is behind the proxy."""
    server = Server(url_through_proxy(proxy, postgres_database, **SHORT_TIMEOUTS), tmp_path)
    await asyncio.to_thread(server.start)
    yield server
    await asyncio.to_thread(server.stop)
