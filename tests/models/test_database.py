"""Connections that go back to the pool as they are: whoever comes next finds nothing of whoever was there before."""

import asyncio

import pytest
from tortoise.exceptions import OperationalError
from tortoise.transactions import in_transaction

from models.account import Account
from models.act import Act
from models.sql import rows

pytestmark = pytest.mark.usefixtures("db")


async def test_a_transaction_that_was_cancelled_leaves_nothing(act: Act) -> None:
    begun = asyncio.Event()

    async def interrupted() -> None:
        async with act.transaction() as tx:
            await Account.create(using_db=tx.db, created_at=act.at, legal_name="Le Fournil", siren="404833048")
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(interrupted())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await Account.all().count() == 0
    # Committed by itself, not part of what was left open.
    await Account.create(created_at=act.at, legal_name="Le Fournil", siren="404833048")
    async with in_transaction() as db:
        assert await Account.all().using_db(db).count() == 1


async def test_a_statement_that_failed_leaves_nothing() -> None:
    for _ in range(20):  # as often as there are connections, and again
        with pytest.raises(OperationalError):
            await rows("SELECT nothing FROM nowhere")
    assert await rows("SELECT 1 AS one") == [{"one": 1}]
