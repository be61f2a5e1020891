"""Locking the people who answer customers."""

from models.action import Transaction
from models.errors import Forbidden
from models.identity.user import User


async def lock_agent(tx: Transaction, user_id: int) -> User:
    """Lock the row of someone who is going to get a ticket, before the ticket's. So when the person
    is dismissed at the same time, either the job that follows the dismissal finds the ticket and
    unassigns it, or this function finds the dismissal and raises Forbidden.
    """
    user = await tx.lock(User, user_id)
    if user.staff is None or not user.staff.answers_customers:
        raise Forbidden
    return user
