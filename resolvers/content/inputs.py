"""Inputs of the content mutations."""

import strawberry

from models.locale import Locale


@strawberry.input(description="The policy to accept.")
class PolicyAcceptInput:
    policy_id: strawberry.ID = strawberry.field(
        description="The ID of the version in force, from `Viewer.policies` or `policy(kind:)`."
    )
    locale: Locale | None = strawberry.field(
        default=None,
        description="The language in which the viewer read the policy. Defaults to the language of "
        "the request.",
    )
