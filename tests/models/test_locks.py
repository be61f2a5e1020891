"""Locked rows: others wait to change them, but never to insert rows that refer to them."""

import asyncio

import pytest

from models.accounts.account import Account, AccountMembers
from models.action import Action
from models.identity.user import User
from models.support.ticket import Category, Channel, Ticket
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
async def test_rows_that_refer_to_locked_ones_are_inserted_meanwhile(
    action: Action, owner: User, account: Account, by_key: bool
) -> None:
    locked, inserted = asyncio.Event(), asyncio.Event()

    async def lock() -> None:
        async with action.transaction() as tx:
            if by_key:
                await tx.locked(Account, account.pk)
                await tx.locked(User, owner.pk)
            else:
                await AccountMembers.locked(tx, account.pk)
                await tx.locked_where(User.filter(pk=owner.pk))
            locked.set()
            await inserted.wait()

    async def insert() -> None:
        await locked.wait()
        async with action.transaction() as tx:
            await Ticket.open(
                tx, account, owner, subject="Accès", channel=Channel.CHAT, category=Category.USAGE
            )
        inserted.set()

    await asyncio.wait_for(asyncio.gather(lock(), insert()), 5)


async def test_a_lock_by_key_and_one_by_query_exclude_each_other(
    action: Action, owner: User
) -> None:
    order: list[str] = []
    locked = asyncio.Event()

    async def first() -> None:
        async with action.transaction() as tx:
            await tx.locked(User, owner.pk)
            locked.set()
            await User.filter(pk=owner.pk).using_db(tx.db).update(name="Camille Aubry")
            order.append("first")

    async def second() -> None:
        await locked.wait()
        async with action.transaction() as tx:
            (user,) = await tx.locked_where(User.filter(pk=owner.pk))
            order.append(user.name)

    await asyncio.wait_for(asyncio.gather(first(), second()), 10)
    assert order == ["first", "Camille Aubry"]
