"""P6.3: analysts read a copy of the database when there is one, and can't change it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tortoise.exceptions import OperationalError

from models.action import Action
from models.database.connection import connect, disconnect, sqlite_path
from models.database.sql import execute, execute_report
from models.errors import ServiceUnavailable
from tests.conftest import database_copy
from tests.people import create_account

COUNT = "SELECT COUNT(*) AS n FROM account"


@pytest.fixture
def copy_url(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[str]:
    """The URL of another database of the same kind."""
    folder = tmp_path / "copy"
    folder.mkdir()
    kind = "sqlite" if sqlite_path(database_url) else "postgres"
    with database_copy(request, kind, folder) as url:
        yield url


@pytest.fixture
async def connected(database_url: str, copy_url: str) -> AsyncIterator[None]:
    await connect(database_url, copy_url)
    yield
    await disconnect()


async def test_p6_3_analysts_read_the_copy_and_everyone_else_the_database(
    connected: None, database_url: str, action: Action
) -> None:
    await create_account(action)
    assert await execute(COUNT) == [{"n": 1}]
    assert [*map(dict, await execute_report(COUNT))] == [{"n": 0}]
    with pytest.raises((OperationalError, ServiceUnavailable)):
        await execute_report("UPDATE account SET siren = siren")
    await disconnect()
    # Without a copy, it is the database again.
    await connect(database_url)
    assert [*map(dict, await execute_report(COUNT))] == [{"n": 1}]
