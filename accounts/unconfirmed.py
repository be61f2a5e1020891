"""Sign-ups whose address was never verified: whoever proves that the address is theirs takes over
the user, and nothing else.

A stranger may have signed up with the address. Their password would otherwise still work, and their
unused company would be the one that the owner of the mailbox signs in to.
"""

from accounts import policies
from auth import sessions
from auth.factors.enrolment import turn_off
from models.accounts.account import Account, Membership
from models.action import Transaction
from models.identity.access_links import invalidate_links
from models.identity.user import User


async def lock_unverified_accounts(tx: Transaction, email: str, *account_ids: int) -> None:
    """Lock the companies of whoever signed up with the address and didn't verify it, together with
    these other accounts. A transaction that locks other rows before it calls `take_over_unverified`
    calls this first.
    """
    memberships = Membership.filter(
        user__email=email, user__email_verified_at=None, user__staff=None
    ).using_db(tx.db)
    keys = {membership.account_id for membership in await memberships} | set(account_ids)
    await tx.lock_rows(Account.filter(pk__in=keys))


async def take_over_unverified(tx: Transaction, email: str) -> User | None:
    """The user who signed up with the address, locked, without their company, links, sessions,
    second factor and acceptances. The caller sets another password. None when there is no such
    user, or the address was verified.
    """
    await lock_unverified_accounts(tx, email)
    users = User.filter(email=email, email_verified_at=None, staff=None).using_db(tx.db)
    user = next(iter(await tx.lock_rows(users)), None)
    if user:
        await Account.filter(memberships__user_id=user.pk).using_db(tx.db).delete()
        await policies.delete_acceptances(tx, user)
        await turn_off(tx, user)
        await invalidate_links(user, tx.db)
        await sessions.end_all(tx, user)
    return user
