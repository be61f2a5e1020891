"""Users as edges of other rows."""

from collections.abc import Sequence
from typing import Any

from tortoise.queryset import QuerySet

from models.accounts.account import Membership
from models.identity.user import User
from resolvers.context import Context
from resolvers.rows import ByKey


def users_of(context: Context, parents: Sequence[Membership]) -> ByKey:
    """The person of each membership."""
    return ByKey(parents, "user_id", QuerySet(User))


def emails(context: Context, parents: Sequence[Any]) -> list[str | None]:
    """The e-mail address of each user; of the vendor's staff, only agents and the person themselves see it."""
    viewer = context.viewer
    agent, own = viewer.agent, viewer.user_id
    return [root.email if agent or root.staff is None or root.id == own else None for root in parents]
