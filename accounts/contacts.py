"""The members of a company who get emails about it."""

from models.accounts.account import Membership
from models.action import Transaction
from models.identity.user import User


async def billing_contacts(tx: Transaction, account_id: int) -> list[User]:
    """The members who manage the billing of an account and have confirmed their address."""
    memberships = (
        Membership.filter(account_id=account_id, user__email_verified_at__isnull=False)
        .using_db(tx.db)
        .select_related("user")
        .order_by("id")
    )
    return [each.user for each in await memberships if each.role.manages_billing]
