"""The companies of a person, for sign-in and for the audit log."""

from models.accounts.account import Membership
from models.action import Transaction
from models.identity.user import User


async def companies_of(tx: Transaction, user: User | None) -> list[int]:
    """The companies of a person, by their keys, the one they joined first at first; none of nobody, by the same statement."""
    places = Membership.filter(user_id=user.pk if user else 0).using_db(tx.db).order_by("id")
    return [place.account_id for place in await places]


async def concerned(tx: Transaction, user: User | None) -> list[int | None]:
    """In whose parts of the audit log an entry about a person belongs: each of their companies', or nobody's."""
    return [*await companies_of(tx, user)] or [None]
