"""Locking the people who answer customers."""

from models.action import Transaction
from models.errors import Forbidden
from models.identity.user import User


async def lock_agent(tx: Transaction, user_id: int) -> User:
    """Lock the row of someone who is going to get a ticket, before the ticket's. So either the job
    that follows a dismissal finds the ticket and unassigns it, or this finds that the person was
    dismissed: then it raises Forbidden.
    """
    user = await tx.lock(User, user_id)
    if user.staff is None or not user.staff.answers_customers:
        raise Forbidden
    return user
