"""Accounts that nobody uses: companies, and people who belong to none, are warned by email and then
erased, as the privacy policy says (GDPR, Article 5(1)(e)).

A company is used while a member signs in or stays signed in, for whichever of their companies:
their earlier sessions are deleted after a year, and only the last one of a person stays
(operations/retention.py). It is also used while one of its systems uses an API key, and while it
has a purchase that renews, an unpaid invoice, or a ticket that is open or was changed. Data of
somebody who may only be stored stays (Article 18).

The periods are dated configuration (`[[retention]]` in the seller's file). Nobody is erased who
wasn't warned for as long as the first warning says, however long ago they left: when the job was
off for months, everything is later by that time.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from mail import emails
from models.accounts.account import Account, AccountStatus, Membership, Role
from models.action import Action, Transaction
from models.clock import local_date
from models.database.sql import execute
from models.due_rows import handle_each
from models.identity.user import User
from models.privacy.audit_actions import PrivacyAuditAction
from models.privacy.erasure import Erasure, Retention
from privacy.person_rights import erase_person, lock_person

# The conditions of companies and people whose last use was before each `?`, which is the same time.
UNUSED_ACCOUNTS = (
    "account.status IN ('ACTIVE', 'DEACTIVATED') AND account.created_at < ?"
    ' AND NOT EXISTS (SELECT 1 FROM membership m JOIN "user" u ON u.id = m.user_id'
    " LEFT JOIN session s ON s.user_id = u.id WHERE m.account_id = account.id"
    " AND (u.staff IS NOT NULL OR u.restricted_at IS NOT NULL OR m.created_at >= ?"
    " OR COALESCE(s.last_used_at, s.created_at) >= ?))"
    " AND NOT EXISTS (SELECT 1 FROM service_account a JOIN api_key k ON k.service_account_id = a.id"
    " WHERE a.account_id = account.id AND COALESCE(k.last_used_at, k.created_at) >= ?)"
    " AND NOT EXISTS (SELECT 1 FROM purchase p WHERE p.account_id = account.id AND p.status IN"
    " ('PAYMENT_PENDING', 'TRIALING', 'ACTIVE', 'PAST_DUE', 'PAUSED', 'SUSPENDED'))"
    " AND NOT EXISTS (SELECT 1 FROM receivable r WHERE r.account_id = account.id"
    " AND r.open_cents > 0)"
    " AND NOT EXISTS (SELECT 1 FROM ticket t WHERE t.account_id = account.id"
    " AND (t.status NOT IN ('SOLVED', 'CLOSED') OR t.updated_at >= ?))"
)
UNUSED_PEOPLE = (
    '"user".staff IS NULL AND "user".erased_at IS NULL AND "user".restricted_at IS NULL'
    ' AND "user".created_at < ?'
    ' AND NOT EXISTS (SELECT 1 FROM membership m WHERE m.user_id = "user".id)'
    ' AND NOT EXISTS (SELECT 1 FROM session s WHERE s.user_id = "user".id'
    " AND COALESCE(s.last_used_at, s.created_at) >= ?)"
    ' AND NOT EXISTS (SELECT 1 FROM data_request d WHERE d.user_id = "user".id'
    " AND (d.decided_at IS NULL OR d.decided_at >= ?))"
)


def unused_since(at: datetime, retention: Retention) -> datetime:
    """The time before which the last use of what is erased at `at` was."""
    year = at.year - retention.unused_years
    try:
        return at.replace(year=year)
    except ValueError:  # 29 February
        return at.replace(year=year, day=28)


async def handle_unused_accounts(action: Action, retention: Retention) -> int:
    """Warn, remind and erase companies that nobody uses, and people who belong to none. Returns for
    how many something was done.
    """
    cutoff = unused_since(action.at + retention.unused_warnings[0], retention)
    return await _handle(action, retention, _COMPANIES, cutoff) + await _handle(
        action, retention, _PEOPLE, cutoff
    )


async def _handle(action: Action, retention: Retention, kind: "_Kind", cutoff: datetime) -> int:
    places = [cutoff.astimezone(UTC)] * kind.condition.count("?")
    await execute(
        f'UPDATE "{kind.table}" SET unused_warned_at = NULL, unused_reminded_at = NULL'  # noqa: S608 - of constants
        f" WHERE unused_warned_at IS NOT NULL AND NOT ({kind.condition})",
        *places,
    )
    statement = f'SELECT id FROM "{kind.table}" WHERE {kind.condition} ORDER BY id'  # noqa: S608 - the same
    keys = [int(row["id"]) for row in await execute(statement, *places)]
    rows = kind.model.filter(pk__in=keys)
    step = partial(_handle_one, action, retention, kind, cutoff)
    return await handle_each(rows, step, "unused_account.failed") if keys else 0


async def _handle_one(
    action: Action, retention: Retention, kind: "_Kind", cutoff: datetime, key: int
) -> bool:
    """Do the next thing about one company or person, if it is due and they are still unused."""
    first, last = retention.unused_warnings
    async with action.transaction() as tx:
        row = await kind.lock(tx, key)
        statement = f'SELECT id FROM "{kind.table}" WHERE {kind.condition} AND id = ?'  # noqa: S608 - of constants
        places = [cutoff.astimezone(UTC)] * kind.condition.count("?")
        if not await execute(statement, *places, key, db=tx.db):
            return False
        if row.unused_warned_at is None:
            row.unused_warned_at = action.at
            await kind.warn(tx, row, action.at + first)
        elif row.unused_reminded_at is None:
            if action.at < row.unused_warned_at + first - last:
                return False
            row.unused_reminded_at = action.at
            await kind.warn(tx, row, action.at + last)
        elif action.at < row.unused_reminded_at + last:
            return False
        else:
            await kind.erase(tx, row)
            return True
        await row.save(using_db=tx.db, update_fields=["unused_warned_at", "unused_reminded_at"])
    return True


async def _lock_account(tx: Transaction, key: int) -> Account:
    return await tx.lock(Account, key)


async def _warn_owners(tx: Transaction, account: Account, erased_at: datetime) -> None:
    owners = Membership.filter(account_id=account.pk, role=Role.OWNER).using_db(tx.db)
    for membership in await owners.order_by("id").select_related("user"):
        if membership.user.email_verified_at:
            await emails.send_account_unused(tx, membership.user, local_date(erased_at), account)


async def _erase_account(tx: Transaction, account: Account) -> None:
    """Leave the company to the job that erases accounts (privacy/erasure.py)."""
    at = tx.action.at
    await Erasure.create(
        using_db=tx.db,
        account=account,
        requested_at=account.unused_warned_at,
        deadline=local_date(at),
        scheduled_at=at,
        due_at=at,
    )
    account.status, account.erases_at = AccountStatus.CLOSING, at
    await account.save(using_db=tx.db, update_fields=["status", "erases_at"])
    tx.audit(PrivacyAuditAction.ACCOUNT_UNUSED, account)


async def _warn_person(tx: Transaction, user: User, erased_at: datetime) -> None:
    if user.email_verified_at:
        await emails.send_account_unused(tx, user, local_date(erased_at))


async def _erase_person(tx: Transaction, user: User) -> None:
    await erase_person(tx, user)
    tx.audit(PrivacyAuditAction.PERSON_UNUSED, user)


@dataclass(frozen=True)
class _Kind:
    """Companies or people: how they are found, warned and erased."""

    table: str
    condition: str
    model: type[Account] | type[User]
    lock: Callable[[Transaction, int], Awaitable[Any]]
    warn: Callable[[Transaction, Any, datetime], Awaitable[None]]
    erase: Callable[[Transaction, Any], Awaitable[None]]


_COMPANIES = _Kind("account", UNUSED_ACCOUNTS, Account, _lock_account, _warn_owners, _erase_account)
_PEOPLE = _Kind("user", UNUSED_PEOPLE, User, lock_person, _warn_person, _erase_person)
