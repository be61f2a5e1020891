"""Payloads of the mutations by which staff secure users' accounts."""

import strawberry

from schema.fields import field
from schema.user_errors import UserError, errors


@strawberry.type(description="The result of resetting a second factor.")
class UserResetSecondFactorPayload:
    reset: bool | None = field(
        "True when the second factor is off. The user signs in with their password alone and "
        "should set up a new second factor."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of ending several sessions.")
class UserEndSessionsPayload:
    ended: int | None = field("The number of sessions that were ended.")
    user_errors: list[UserError] = errors()
