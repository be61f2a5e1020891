"""Inputs of the content mutations."""

import strawberry

from models.locale import Locale


@strawberry.input(description="A policy that the viewer accepts.")
class PolicyAcceptInput:
    policy_id: strawberry.ID = strawberry.field(description="The version in force, of `Viewer.policies` or `policy(kind:)`.")
    locale: Locale | None = strawberry.field(
        default=None, description="The language in which it was read; the request's language unless told."
    )
