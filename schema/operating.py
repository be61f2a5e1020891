"""What an operator's mutations return. Like schema/payloads.py, which is long enough."""

import strawberry

from schema.fields import said
from schema.payloads import UserError, errors


@strawberry.type(description="Whether somebody's second factor is off.")
class UserResetSecondFactorPayload:
    reset: bool | None = said("True when it is: they sign in with their password alone, and should set a new one up.")
    user_errors: list[UserError] = errors()
