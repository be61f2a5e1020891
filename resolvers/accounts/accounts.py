"""Companies and their members as edges of other rows."""

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry
from tortoise.queryset import QuerySet

from models.accounts.account import Account, Membership
from resolvers.context import Context, Info
from resolvers.ids import key_of
from resolvers.rows import RowByForeignKey, RowByKey, RowsByParent


def account(
    info: Info,
    id: Annotated[
        strawberry.ID, strawberry.argument(description="The ID of the company's account.")
    ],
) -> RowByKey | None:
    """The account of this ID, None when there is none that the viewer may see."""
    key = key_of(Account, id)
    return RowByKey(Account.visible_to(info.context.viewer), "id", key) if key else None


def accounts_of(context: Context, parents: Sequence[Any]) -> RowByForeignKey:
    """The company of each row."""
    return RowByForeignKey(parents, "account_id", QuerySet(Account))


def members(context: Context, parents: Sequence[Account]) -> RowsByParent:
    """The members of each company, in the order in which they joined."""
    return RowsByParent(parents, QuerySet(Membership), "account_id", "id")
