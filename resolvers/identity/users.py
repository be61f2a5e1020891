"""Users as edges of other rows."""

from collections.abc import Sequence

from tortoise.queryset import QuerySet

from models.accounts.account import Membership
from models.identity.user import User
from resolvers.context import Context
from resolvers.rows import ByKey


def users_of(context: Context, parents: Sequence[Membership]) -> ByKey:
    """The person of each membership."""
    return ByKey(parents, "user_id", QuerySet(User))
