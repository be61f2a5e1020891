"""Companies and their members as edges of other rows."""

from collections.abc import Sequence
from typing import Any

from tortoise.queryset import QuerySet

from models.accounts.account import Account, Membership
from resolvers.context import Context
from resolvers.rows import ByKey, ByParent


def accounts_of(context: Context, parents: Sequence[Any]) -> ByKey:
    """The company of each row."""
    return ByKey(parents, "account_id", QuerySet(Account))


def members(context: Context, parents: Sequence[Account]) -> ByParent:
    """The members of each company, in the order in which they joined."""
    return ByParent(parents, QuerySet(Membership), "account_id", "id")
