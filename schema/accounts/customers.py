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


@strawberry.type(description="Where a customer belongs.")
class CustomerPlace:
    account: Account = edge(account_resolvers.accounts_of, needs=("account_id",), description="The company.")
    role: Role = field("What they may do there.")
    created_at: datetime = field("Since when they belong to it.")


@strawberry.type(description="A customer as the vendor's people find them.")
@backed_by(models.identity.user.User)
class Customer:
    user_id: strawberry.ID = field(
        "Their global id, such as `userEndSessions` and `userResetSecondFactor` take.", staff_resolvers.user_id, needs=("id",)
    )
    name: str = field("How colleagues and agents know them.")
    email: str = field("Where they read mail, and what they sign in with.")
    second_factor: bool = field("Whether sign-in asks for a second factor.", needs=("second_factor_at",))
    created_at: datetime = field("When they came to be.")
    companies: list[CustomerPlace] = edge(
        customer_resolvers.places, description="Their companies, the one they joined first at first."
    )


@strawberry.type(description="Whether somebody's second factor is off.")
class UserResetSecondFactorPayload:
    reset: bool | None = field("True when it is: they sign in with their password alone, and should set a new one up.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The sessions that ended.")
class UserEndSessionsPayload:
    ended: int | None = field("How many did.")
    user_errors: list[UserError] = errors()
