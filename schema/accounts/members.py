"""Memberships of users in companies."""

from datetime import datetime

import strawberry

from models.accounts.account import AccountStatus, Role
from resolvers.identity import users as user_resolvers
from schema.fields import edge, field
from schema.identity.users import User
from schema.user_errors import UserError, errors


@strawberry.type(description="A person's place in a company account.")
class Membership:
    user: User = edge(user_resolvers.users_of, needs=("user_id",), description="The person.")
    role: Role = field("What they may do.")
    created_at: datetime = field("Since when.")


@strawberry.type(description="A company that the viewer may act for: enough to choose it by.")
class ViewerCompany:
    account_id: strawberry.ID = field("Its global id, for `sessionSwitchAccount`; `node` finds it once it is the current one.")
    legal_name: str = field("As registered, and as invoices say it.")
    trade_name: str | None = field("How it calls itself, if otherwise.")
    role: Role = field("What the viewer may do there.")
    joined_at: datetime = field("Since when they belong to it.")
    current: bool = field("Whether this session acts for it.")
    status: AccountStatus = field("Whether it can be used; if not, `accountRequestReactivation` asks for it.")
    erases_at: datetime | None = field("When it is to be deleted, null unless CLOSING.")


@strawberry.type(description="A member after the change.")
class MemberPayload:
    member: Membership | None = field("The person's place as it stands.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether the member is gone.")
class MemberRemovePayload:
    removed: bool | None = field("True when they are.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether one has left.")
class AccountLeavePayload:
    left: bool | None = field("True when one has; the session in use ended with it.")
    user_errors: list[UserError] = errors()
