"""Connections are reused without being reset, and carry nothing over from their previous use."""

import asyncio
import sqlite3
from contextlib import closing
from threading import Event
from typing import Any

import pytest
from tortoise.connection import get_connections
from tortoise.exceptions import OperationalError
from tortoise.transactions import in_transaction

from models.accounts.account import Account
from models.action import Action
from models.database.connection import sqlite_path
from models.database.sql import execute
from models.database.sqlite import ImmediateClient
from models.database.workload import Workload, workload
from models.errors import ServiceUnavailable
from tests.waiting import MAX_WAIT

pytestmark = pytest.mark.usefixtures("db")


async def test_a_cancelled_transaction_stores_nothing(action: Action) -> None:
    insert_finished = asyncio.Event()

    async def insert_and_wait() -> None:
        async with action.transaction() as tx:
            await Account.create(
                using_db=tx.db, created_at=action.at, legal_name="Le Fournil", siren="404833048"
            )
            insert_finished.set()
            await asyncio.Event().wait()

    async with asyncio.timeout(MAX_WAIT):
        task = asyncio.create_task(insert_and_wait())
        await insert_finished.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await Account.all().count() == 0
        # Committed by itself, not part of what was left open.
        await Account.create(created_at=action.at, legal_name="Le Fournil", siren="404833048")
        async with in_transaction() as db:
            assert await Account.all().using_db(db).count() == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # PostgreSQL locks rows
async def test_a_transaction_that_reads_first_can_write_despite_another_process(
    db: str, action: Action
) -> None:
    path = sqlite_path(db)
    assert path
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other_connection:
        async with action.transaction() as tx:
            assert not await Account.exists(using_db=tx.db)
            # It has to wait for us, not we for it.
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other_connection.execute("UPDATE account SET siren = siren")
            await Account.create(
                using_db=tx.db, created_at=action.at, legal_name="Le Fournil", siren="404833048"
            )
        other_connection.execute("UPDATE account SET siren = siren")
        other_connection.execute("BEGIN IMMEDIATE")
        await execute("PRAGMA busy_timeout = 0")
        with pytest.raises(ServiceUnavailable):
            async with action.transaction():
                raise AssertionError("began beside another writer")
        other_connection.execute("ROLLBACK")
        # The failed one holds nothing.
        async with asyncio.timeout(MAX_WAIT), action.transaction() as tx:
            assert await Account.all().using_db(tx.db).count() == 1


# A transaction of PostgreSQL begins without waiting.
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_transaction_cancelled_while_waiting_for_another_process_is_rolled_back(
    db: str, action: Action
) -> None:
    path = sqlite_path(db)
    assert path

    async def begin_transaction() -> None:
        async with action.transaction():
            raise AssertionError("began beside another writer")

    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other_connection:
        # Before, while and after the statement reaches the driver's thread.
        for pause in (0, 0, 0.01, 0.1):
            other_connection.execute("BEGIN IMMEDIATE")
            task = asyncio.create_task(begin_transaction())
            await asyncio.sleep(pause)
            task.cancel()
            await asyncio.sleep(0)
            other_connection.execute("ROLLBACK")  # now it begins, though nobody wants it any more
            with pytest.raises(asyncio.CancelledError):
                await task
            await execute("SELECT 1")  # the driver's thread has come through
            other_connection.execute("UPDATE account SET siren = siren")  # not locked
            async with asyncio.timeout(MAX_WAIT), action.transaction():
                pass


async def test_the_connection_is_usable_after_failed_statements() -> None:
    for _ in range(20):  # as often as there are connections, and again
        with pytest.raises(OperationalError):
            await execute("SELECT nothing FROM nowhere")
    assert await execute("SELECT 1 AS one") == [{"one": 1}]


ENDLESS = (
    "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers)"
    " SELECT MAX(n) AS n FROM numbers"
)


# PostgreSQL: tests/models/database/test_pool.py
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_report_delays_nobody_and_is_interrupted_when_it_is_cancelled(
    action: Action,
) -> None:
    async def report(statement: str) -> list[dict[str, object]]:
        with workload(Workload.REPORTS):
            return await execute(statement)

    endless = asyncio.create_task(report(ENDLESS))
    async with asyncio.timeout(MAX_WAIT):
        async with action.transaction() as tx:
            account = await Account.create(
                using_db=tx.db, created_at=action.at, legal_name="Le Fournil", siren="404833048"
            )
        assert await Account.get(pk=account.pk) == account
        assert not endless.done()
        waiting = asyncio.create_task(report("SELECT COUNT(*) AS n FROM account"))
        await asyncio.sleep(0)
        endless.cancel()
        with pytest.raises(asyncio.CancelledError):
            await endless
        assert await waiting == [{"n": 1}]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_report_cancelled_before_the_driver_begins_it_is_interrupted() -> None:
    async def report(statement: str) -> list[dict[str, object]]:
        with workload(Workload.REPORTS):
            return await execute(statement)

    async with asyncio.timeout(MAX_WAIT):
        assert await report("SELECT 1 AS one") == [{"one": 1}]
        busy = await report_thread_busy_until(begin := Event())
        endless = asyncio.create_task(report(ENDLESS))
        waiting = asyncio.create_task(report("SELECT 1 AS one"))
        await asyncio.sleep(0.01)
        endless.cancel()
        await asyncio.sleep(0)
        endless.cancel()
        with pytest.raises(asyncio.CancelledError):
            await endless
        begin.set()
        await busy
        assert await waiting == [{"one": 1}]


async def report_thread_busy_until(event: Event) -> asyncio.Task[None]:
    """Keeps the driver's thread for reports busy."""
    client = get_connections().get("default")
    assert isinstance(client, ImmediateClient)
    connection: Any = client._reports._connection
    busy = asyncio.create_task(connection._execute(event.wait))
    await asyncio.sleep(0)
    return busy


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_report_cannot_write(action: Action) -> None:
    with workload(Workload.REPORTS), pytest.raises(ServiceUnavailable):
        await execute("UPDATE account SET siren = siren")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_full_disk_makes_the_service_unavailable(action: Action) -> None:
    """A limit on pages simulates the full disk. What was written before is kept, and the database
    stays usable.
    """
    await execute("PRAGMA max_page_count = 1")  # raised by SQLite to the current size
    with pytest.raises(ServiceUnavailable):
        await create_many_accounts(action)
    assert await Account.all().count() == 0
    await execute("PRAGMA max_page_count = 1000000")
    async with action.transaction() as tx:
        await Account.create(
            using_db=tx.db, created_at=action.at, legal_name="Le Fournil", siren="404833048"
        )
    assert await Account.all().count() == 1


async def create_many_accounts(action: Action) -> None:
    async with action.transaction() as tx:
        for number in range(1_000):
            await Account.create(
                using_db=tx.db, created_at=action.at, legal_name="x" * 200, siren=f"{number:09}"
            )
