"""Customers as the vendor's staff see them."""

from datetime import datetime

import strawberry

import models.identity.user
from models.accounts.account import Role
from resolvers.accounts import accounts as account_resolvers
from resolvers.accounts import customers as customer_resolvers
from resolvers.accounts import staff as staff_resolvers
from schema.accounts.accounts import Account
from schema.fields import edge, field
from schema.nodes import backed_by
from schema.user_errors import UserError, errors


@strawberry.type(description="A customer's membership in a company.")
class CustomerPlace:
    account: Account = edge(account_resolvers.accounts_of, needs=("account_id",), description="The company.")
    role: Role = field("The role of the customer in the company.")
    created_at: datetime = field("When the user joined the company.")


@strawberry.type(description="A customer as seen by the vendor's staff.")
@backed_by(models.identity.user.User)
class Customer:
    user_id: strawberry.ID = field(
        "The global ID of the user, accepted by `userEndSessions` and `userResetSecondFactor`.",
        staff_resolvers.user_id,
        needs=("id",),
    )
    name: str = field("The user's name as colleagues and agents see it.")
    email: str = field("The email address that the user signs in with.")
    second_factor: bool = field("Whether sign-in requires a second factor.", needs=("second_factor_at",))
    created_at: datetime = field("When the user was created.")
    companies: list[CustomerPlace] = edge(
        customer_resolvers.places, description="The companies of the user, in the order in which they joined."
    )


@strawberry.type(description="The result of resetting a second factor.")
class UserResetSecondFactorPayload:
    reset: bool | None = field(
        "True when the second factor is off. The user signs in with their password alone and should set up a new second factor."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of ending several sessions.")
class UserEndSessionsPayload:
    ended: int | None = field("The number of sessions that were ended.")
    user_errors: list[UserError] = errors()
