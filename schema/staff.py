"""The vendor's people as an operator sees them, and customers as the vendor's people find them."""

from datetime import datetime

import strawberry

import models.user
from models.account import Role
from models.user import Staff
from resolvers import identity, staff
from schema.fields import edge, said
from schema.nodes import of
from schema.types import Account


@strawberry.type(description="One of the vendor's people, as an operator sees them.")
class StaffMember:
    user_id: strawberry.ID = said("What `staffChangeRole`, `staffDismiss` and `userEndSessions` take.", staff.user_id)
    name: str = said("How colleagues and customers know them.")
    email: str = said("Where they read mail, and what they sign in with.")
    role: Staff = said("What they do for the vendor.", lambda root: root.staff)
    second_factor: bool = said("Whether they have set up a second factor: without one they have no role yet.")
    created_at: datetime = said("When their row was made.")


@strawberry.type(description="Where a customer belongs.")
class CustomerPlace:
    account: Account = edge(identity.accounts_of, needs=("account_id",), description="The company.")
    role: Role = said("What they may do there.")
    created_at: datetime = said("Since when they belong to it.")


@strawberry.type(description="A customer as the vendor's people find them.")
@of(models.user.User)
class Customer:
    user_id: strawberry.ID = said(
        "Their global id, such as `userEndSessions` and `userResetSecondFactor` take.", staff.user_id, needs=("id",)
    )
    name: str = said("How colleagues and agents know them.")
    email: str = said("Where they read mail, and what they sign in with.")
    second_factor: bool = said("Whether sign-in asks for a second factor.", needs=("second_factor_at",))
    created_at: datetime = said("When they came to be.")
    companies: list[CustomerPlace] = edge(staff.places, description="Their companies, the one they joined first at first.")
