"""Payloads of password mutations."""

import strawberry

from schema.fields import field
from schema.user_errors import UserError, errors


@strawberry.type(description="The answer is the same whether or not the address was known.")
class PasswordRequestResetPayload:
    accepted: bool | None = field("True when an email is on its way, if the address is known.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether the new password is in force.")
class PasswordResetPayload:
    reset: bool | None = field("True when it is: sign in with it. Every session has ended.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether the new password is in force.")
class PasswordChangePayload:
    changed: bool | None = field("True when it is. Every other session has ended.")
    user_errors: list[UserError] = errors()
