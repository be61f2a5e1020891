"""Payloads of password mutations."""

import strawberry

from schema.fields import field
from schema.user_errors import UserError, errors


@strawberry.type(
    description="The result of a request that doesn't reveal whether the email address is known."
)
class PasswordRequestResetPayload:
    accepted: bool | None = field(
        "True when the request was accepted. An email is on its way if the address is known."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of setting a new password.")
class PasswordResetPayload:
    reset: bool | None = field("True when the password was set. All sessions have ended.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of setting a new password.")
class PasswordChangePayload:
    changed: bool | None = field(
        "True when the password was changed. All other sessions have ended."
    )
    user_errors: list[UserError] = errors()
