"""A proxy before a PostgreSQL database of its own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.conftest import database_copy
from tests.outages.proxy import Proxy, socket_path


@pytest.fixture
def postgres_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh database, migrated and with the catalogue."""
    with database_copy(request, "postgres", tmp_path, catalogue=True) as url:
        yield url


@pytest.fixture
async def proxy(postgres_database: str) -> AsyncIterator[Proxy]:
    async with Proxy(socket_path(postgres_database)).running() as proxy:
        yield proxy
