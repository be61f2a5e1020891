"""Deadlocks: a transaction that the database has rolled back because of another one is repeated
once.
"""

import asyncio

import asyncpg
import pytest

from models.accounts.account import Account
from models.action import Action, retry_conflict
from models.errors import TransactionConflict
from models.identity.user import Staff, User
from models.support.classification import Category, Channel
from models.support.ticket import Ticket
from tests.people import create_account, create_staff, create_user
from tests.waiting import MAX_WAIT, driver_url, wait_for_lock_waiters

pytestmark = [
    pytest.mark.usefixtures("db"),
    # SQLite has one writer
    pytest.mark.parametrize("database_url", ["postgres"], indirect=True),
]


@pytest.fixture
async def ticket(action: Action) -> Ticket:
    account, owner = await create_account(action, "Aubry"), await create_user(action, "Camille")
    async with action.transaction() as tx:
        return await Ticket.open(
            tx, account, owner, subject="Accès", channel=Channel.CHAT, category=Category.USAGE
        )


class Deadlock:
    """A transaction of ours that locks a user and then a ticket, while somebody else has locked the
    ticket and waits for the user. The database aborts our transaction, which completes the cycle;
    the other one never checks for deadlocks.
    """

    def __init__(self, db: str, action: Action, ticket: Ticket, user: User) -> None:
        self._db, self._action, self._ticket, self._user = db, action, ticket, user
        self._user_locked, self._continue = asyncio.Event(), asyncio.Event()
        self.attempts = 0

    async def work(self) -> str:
        self.attempts += 1
        async with self._action.transaction() as tx:
            await tx.lock(User, self._user.pk)
            self._user_locked.set()
            await self._continue.wait()
            await tx.lock(Ticket, self._ticket.pk)
        return "done"

    async def run(self, task: asyncio.Task[str]) -> str:
        """Run into the deadlock, and return the result of the task that does the work."""
        other = await asyncpg.connect(driver_url(self._db))
        try:
            await other.execute("SET deadlock_timeout = '1h'")
            async with other.transaction():
                await other.execute(
                    "SELECT 1 FROM ticket WHERE id = $1 FOR UPDATE", self._ticket.pk
                )
                await self._user_locked.wait()
                lock_query = 'SELECT 1 FROM "user" WHERE id = $1 FOR UPDATE'
                waiting = asyncio.create_task(other.execute(lock_query, self._user.pk))
                await wait_for_lock_waiters(self._db)
                self._continue.set()
                async with asyncio.timeout(MAX_WAIT):
                    await waiting
            async with asyncio.timeout(MAX_WAIT):
                return await task
        finally:
            await other.close()


@pytest.fixture
async def deadlock(db: str, action: Action, ticket: Ticket) -> Deadlock:
    return Deadlock(db, action, ticket, await create_staff(action, "Alice", Staff.AGENT))


async def test_a_deadlock_raises_a_conflict(deadlock: Deadlock) -> None:
    with pytest.raises(TransactionConflict):
        await deadlock.run(asyncio.create_task(deadlock.work()))
    assert deadlock.attempts == 1


async def test_a_conflict_is_retried(deadlock: Deadlock) -> None:
    assert await deadlock.run(asyncio.create_task(retry_conflict(deadlock.work))) == "done"
    assert deadlock.attempts == 2


async def test_committed_work_is_not_repeated(action: Action) -> None:
    attempts: list[int] = []

    async def work() -> None:
        attempts.append(1)
        async with action.transaction() as tx:
            await Account.filter(pk=0).using_db(tx.db).update(city="Lyon")
        raise TransactionConflict("deadlock")

    with pytest.raises(TransactionConflict):
        await retry_conflict(work)
    assert len(attempts) == 1


async def test_a_conflict_after_a_repeatable_transaction_is_retried(action: Action) -> None:
    attempts: list[int] = []

    async def work() -> str:
        attempts.append(1)
        async with action.transaction(is_repeatable=True) as tx:
            await Account.filter(pk=0).using_db(tx.db).update(city="Lyon")
        if len(attempts) == 1:
            raise TransactionConflict("deadlock")
        return "done"

    assert await retry_conflict(work) == "done"
    assert len(attempts) == 2


async def test_the_second_conflict_is_raised() -> None:
    attempts: list[int] = []

    async def work() -> None:
        attempts.append(1)
        raise TransactionConflict("deadlock")

    with pytest.raises(TransactionConflict):
        await retry_conflict(work)
    assert len(attempts) == 2
