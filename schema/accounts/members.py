"""Memberships of users in companies."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import models.accounts.account
from models.accounts.account import AccountStatus, Role
from resolvers.accounts import accounts as account_resolvers
from resolvers.identity import users as user_resolvers
from schema.fields import edge, field
from schema.identity.users import User
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors

if TYPE_CHECKING:
    from schema.accounts.accounts import Account


@strawberry.type(description="A person's membership of a company.")
@backed_by(models.accounts.account.Membership)
class Membership(Node):
    user: User = edge(user_resolvers.users_of, needs=("user_id",), description="The member.")
    account: Annotated["Account", strawberry.lazy("schema.accounts.accounts")] = edge(
        account_resolvers.accounts_of, needs=("account_id",), description="The company."
    )
    role: Role = field("The member's role, which decides what they may do in the company.")
    joined_at: datetime = field("When the person joined the company.", needs=("created_at",))


@strawberry.type(
    description="A company that the viewer is a member of, with the fields needed to choose "
    "one. Its `Account` can be read once the session acts for it."
)
class ViewerCompany:
    id: strawberry.ID = field(
        "The global ID of this entry, for client caches. `node(id:)` does not fetch it: query "
        "`viewer { companies }` again."
    )
    account_id: strawberry.ID = field(
        "The ID of the company, as `sessionSwitchAccount` and `accountRequestReactivation` take "
        "it. `node(id:)` returns the company only while `current` is true."
    )
    legal_name: str = field("The registered name, as printed on invoices.")
    trade_name: str | None = field(
        "The name the company does business under. Null when it uses its legal name."
    )
    role: Role = field("The viewer's role in the company.")
    joined_at: datetime = field("When the viewer joined the company.")
    current: bool = field("Whether the current session acts for this company.")
    status: AccountStatus = field(
        "Whether the company's account can be used. An owner can request its reactivation with "
        "`accountRequestReactivation`."
    )
    erases_at: datetime | None = field(
        "When the company's data will be erased. Null unless `status` is CLOSING."
    )


@strawberry.type(description="The result of a change to a member.")
class MemberPayload:
    member: Membership | None = field(
        "The membership after the change. Null when the mutation failed."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of removing a member.")
class MemberRemovePayload:
    removed: bool | None = field("True when the member was removed.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of leaving a company.")
class AccountLeavePayload:
    left: bool | None = field(
        "True when the viewer has left the company. The current session has ended."
    )
    user_errors: list[UserError] = errors()
