"""P4.1: accounts that nobody has used for two years are erased after two warnings, as the privacy
policy says.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from models.accounts.account import Account, AccountStatus, Role
from models.accounts.service_account import ApiKey, ServiceAccount
from models.action import Action
from models.audit import AuditEntry
from models.identity.session import Session
from models.identity.user import User
from models.operations.email import Email
from models.privacy.erasure import Erasure, Retention
from models.support.classification import Category, Channel
from models.support.ticket import Ticket
from models.support.ticket_status import TicketStatus
from operations.retention import due_rows
from privacy.erasure import ErasureServices, erase_due_accounts
from privacy.unused_accounts import handle_unused_accounts, unused_since
from storage.store import FolderStore
from tests.people import add_member, create_account, create_user, create_viewer

RETENTION = Retention(date(2026, 1, 1), timedelta(days=14), 10)
DAY = timedelta(days=1)
# 2026-11-23 in two years
TWO_YEARS = timedelta(days=731)


async def run(action: Action, after: timedelta) -> int:
    """Runs the job so long after the time of the action, and a minute later than that."""
    at = action.at + after + timedelta(minutes=1)
    return await handle_unused_accounts(replace(action, at=at), RETENTION)


async def create_company(action: Action, **columns: Any) -> tuple[Account, User]:
    """A company with an owner who signed in when it was created."""
    account, owner = await create_account(action, **columns), await create_user(action)
    await add_member(action, account, owner, Role.OWNER)
    await create_viewer(action, owner, account)
    return account, owner


async def warnings() -> list[str]:
    return [email.subject for email in await Email.all().order_by("id")]


async def due(action: Action, after: timedelta) -> dict[str, int]:
    """What `cli retention` counts of accounts and people."""
    rows = [each async for each in due_rows(action.at + after, RETENTION)]
    return {each.table: each.count for each in rows if each.table in ("account", "user")}


async def test_p4_1_a_company_that_nobody_uses_is_warned_twice_and_erased(
    db: str, action: Action, tmp_path: Any
) -> None:
    account, owner = await create_company(action)
    assert await run(action, TWO_YEARS - 31 * DAY) == 0
    assert await run(action, TWO_YEARS - 30 * DAY) == 1
    assert await run(action, TWO_YEARS - 29 * DAY) == 0
    assert await run(action, TWO_YEARS - 7 * DAY) == 1
    assert await run(action, TWO_YEARS - 1 * DAY) == 0
    assert await warnings() == 2 * [
        "Le compte de votre entreprise sera supprimé le 23 novembre 2028"
    ]
    assert {email.user_id for email in await Email.all()} == {owner.pk}
    assert await due(action, TWO_YEARS - DAY) == {"account": 0, "user": 0}
    assert await due(action, TWO_YEARS + DAY) == {"account": 1, "user": 0}
    assert await run(action, TWO_YEARS) == 1
    assert await run(action, TWO_YEARS) == 0
    erasure = await Erasure.get()
    assert (erasure.ticket_id, erasure.scheduler_id) == (None, None)
    assert (await Account.get(pk=account.pk)).status is AccountStatus.CLOSING
    assert await AuditEntry.filter(action="account.unused", object_id=account.pk).count() == 1
    later = replace(action, at=action.at + TWO_YEARS + DAY)
    services = ErasureServices(FolderStore(tmp_path), RETENTION)
    assert await erase_due_accounts(later, services) == 1
    assert (await Account.get(pk=account.pk)).status is AccountStatus.ERASED
    assert (await User.get(pk=owner.pk)).erased_at
    last = await Email.all().order_by("-id").first()
    assert last
    assert "Comme annoncé" in last.text


async def sign_in(action: Action, account: Account, owner: User) -> None:
    await create_viewer(action, owner, account)


async def keep_signed_in(action: Action, account: Account, owner: User) -> None:
    await Session.filter(user_id=owner.pk).update(last_used_at=action.at)


async def restrict(action: Action, account: Account, owner: User) -> None:
    await User.filter(pk=owner.pk).update(restricted_at=action.at)


async def write(action: Action, account: Account, owner: User) -> None:
    async with replace(action, actor=owner).transaction() as tx:
        await Ticket.open(
            tx, account, owner, subject="?", channel=Channel.EMAIL, category=Category.ACCOUNT
        )
    await Ticket.all().update(status=TicketStatus.SOLVED)


async def join(action: Action, account: Account, owner: User) -> None:
    await add_member(action, account, await create_user(action, "Denis Roche"))


async def use_a_key(action: Action, account: Account, owner: User) -> None:
    system = await ServiceAccount.create(account=account, name="ERP", created_at=action.at)
    await ApiKey.create(
        service_account=system,
        name="ERP",
        prefix="x",
        key_hash="x",
        created_at=action.at - TWO_YEARS,
        expires_at=action.at,
        last_used_at=action.at,
    )


Use = Callable[[Action, Account, User], Awaitable[None]]


@pytest.mark.parametrize("use", [sign_in, keep_signed_in, restrict, write, join, use_a_key])
async def test_a_company_that_is_used_again_is_kept_and_warned_anew(
    db: str, action: Action, use: Use
) -> None:
    account, owner = await create_company(action)
    assert await run(action, TWO_YEARS - 30 * DAY) == 1
    used_at = action.at + TWO_YEARS - 20 * DAY
    await use(replace(action, at=used_at), account, owner)
    for days in (7, 0):
        assert await run(action, TWO_YEARS - days * DAY) == 0
    assert (await Account.get(pk=account.pk)).unused_warned_at is None
    if use is not restrict:
        assert await run(action, 2 * TWO_YEARS - 49 * DAY) == 1
        assert await run(action, 2 * TWO_YEARS - 20 * DAY) == 1  # not the erasure yet


async def test_after_a_long_outage_of_the_job_the_warnings_come_first(
    db: str, action: Action
) -> None:
    await create_company(action)
    late = 5 * TWO_YEARS
    assert await run(action, late) == 1
    assert await run(action, late + 22 * DAY) == 0
    assert await run(action, late + 40 * DAY) == 1  # the reminder, late as well
    assert await run(action, late + 46 * DAY) == 0
    assert await run(action, late + 47 * DAY) == 1
    assert await Erasure.all().count() == 1


async def test_p4_1_a_person_without_a_company_is_erased_and_staff_are_not(
    db: str, action: Action
) -> None:
    person = await create_user(action)
    silent = await create_user(action, "Odile", email_verified_at=None)
    for staff_or_erased in ({"staff": "AGENT"}, {"erased_at": action.at}):
        await create_user(action, f"X{len(staff_or_erased)}{staff_or_erased}", **staff_or_erased)
    for days in (30, 7):
        assert await run(action, TWO_YEARS - days * DAY) == 2
    assert await warnings() == 2 * ["Votre compte sera supprimé le 23 novembre 2028"]
    assert await run(action, TWO_YEARS) == 2
    for user in (person, silent):
        assert (await User.get(pk=user.pk)).erased_at
    assert await User.filter(erased_at=None).count() == 1
    assert await AuditEntry.filter(action="person.unused").count() == 2
    assert await run(action, TWO_YEARS) == 0


@pytest.mark.parametrize(
    ("day", "since"), [((2028, 2, 29), (2026, 2, 28)), ((2028, 3, 1), (2026, 3, 1))]
)
def test_two_years_before_the_29th_of_february(
    day: tuple[int, int, int], since: tuple[int, int, int]
) -> None:
    at = datetime(*day, tzinfo=UTC)
    assert unused_since(at, RETENTION) == datetime(*since, tzinfo=UTC)
