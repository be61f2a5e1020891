"""The companies of a user, for sign-in and for the audit log."""

from models.accounts.account import Membership
from models.action import Transaction
from models.identity.user import User


async def company_ids(tx: Transaction, user: User | None) -> list[int]:
    """The keys of a user's companies, in the order in which they joined. For None it is empty,
    although the same statement is executed.
    """
    memberships = Membership.filter(user_id=user.pk if user else 0).using_db(tx.db).order_by("id")
    return [membership.account_id for membership in await memberships]


async def audit_account_ids(tx: Transaction, user: User | None) -> list[int | None]:
    """The accounts in whose audit log an entry about a user belongs: each of their companies, or
    None when there are none.
    """
    return [*await company_ids(tx, user)] or [None]
