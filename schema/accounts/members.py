"""Memberships of users in companies."""

from datetime import datetime

import strawberry

from models.accounts.account import AccountStatus, Role
from resolvers.identity import users as user_resolvers
from schema.fields import edge, field
from schema.identity.users import User
from schema.user_errors import UserError, errors


@strawberry.type(description="A user's membership in a company.")
class Membership:
    user: User = edge(user_resolvers.users_of, needs=("user_id",), description="The user.")
    role: Role = field("The role of the user in the company.")
    created_at: datetime = field("When the user joined the company.")


@strawberry.type(description="A company that the viewer can act for.")
class ViewerCompany:
    account_id: strawberry.ID = field(
        "The global ID of the company, accepted by `sessionSwitchAccount`. `node` finds it while it is the current company."
    )
    legal_name: str = field("The legal name as registered and as printed on invoices.")
    trade_name: str | None = field("The name under which the company trades, if it differs from the legal name.")
    role: Role = field("The viewer's role in the company.")
    joined_at: datetime = field("When the user joined the company.")
    current: bool = field("Whether the session is acting for this company.")
    status: AccountStatus = field(
        "The status of the company's account. If it isn't ACTIVE, `accountRequestReactivation` requests its reactivation."
    )
    erases_at: datetime | None = field("When the account will be erased. Null unless the status is CLOSING.")


@strawberry.type(description="The result of a change to a member.")
class MemberPayload:
    member: Membership | None = field("The membership after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of removing a member.")
class MemberRemovePayload:
    removed: bool | None = field("True when the member was removed.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of leaving a company.")
class AccountLeavePayload:
    left: bool | None = field("True when the viewer has left the company. The current session has ended.")
    user_errors: list[UserError] = errors()
