"""Locked rows: others wait to change them, but never to insert rows that refer to them."""

import asyncio

import pytest

from models.accounts.account import Account, AccountMembers
from models.action import Action
from models.identity.user import User
from models.support.classification import Category, Channel
from models.support.ticket import Ticket
from tests.people import create_account, create_user

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
async def account(action: Action) -> Account:
    return await create_account(action, "Aubry")


@pytest.fixture
async def owner(action: Action) -> User:
    return await create_user(action, "Camille", email="a@aubry.example")


# SQLite has one writer at a time.
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize("by_key", [True, False])
async def test_rows_that_refer_to_locked_rows_can_be_inserted(
    action: Action, owner: User, account: Account, by_key: bool
) -> None:
    locked, inserted = asyncio.Event(), asyncio.Event()

    async def lock_rows() -> None:
        async with action.transaction() as tx:
            if by_key:
                await tx.lock(Account, account.pk)
                await tx.lock(User, owner.pk)
            else:
                await AccountMembers.lock(tx, account.pk)
                await tx.lock_rows(User.filter(pk=owner.pk))
            locked.set()
            await inserted.wait()

    async def insert_ticket() -> None:
        await locked.wait()
        async with action.transaction() as tx:
            await Ticket.open(
                tx, account, owner, subject="Accès", channel=Channel.CHAT, category=Category.USAGE
            )
        inserted.set()

    await asyncio.wait_for(asyncio.gather(lock_rows(), insert_ticket()), 5)


async def test_a_lock_by_key_and_one_by_query_exclude_each_other(
    action: Action, owner: User
) -> None:
    log: list[str] = []
    locked = asyncio.Event()

    async def lock_by_key() -> None:
        async with action.transaction() as tx:
            await tx.lock(User, owner.pk)
            locked.set()
            await User.filter(pk=owner.pk).using_db(tx.db).update(name="Camille Aubry")
            log.append("first")

    async def lock_by_query() -> None:
        await locked.wait()
        async with action.transaction() as tx:
            (user,) = await tx.lock_rows(User.filter(pk=owner.pk))
            log.append(user.name)

    await asyncio.wait_for(asyncio.gather(lock_by_key(), lock_by_query()), 10)
    assert log == ["first", "Camille Aubry"]
