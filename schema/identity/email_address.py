"""Payloads of e-mail address mutations."""

import strawberry

from schema.fields import field
from schema.user_errors import UserError, errors


@strawberry.type(description="Whether the address is confirmed.")
class EmailVerifyPayload:
    verified: bool | None = field("True when it is.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The answer is the same whether or not somebody has the address already.")
class EmailRequestChangePayload:
    accepted: bool | None = field("True when emails are on their way; nothing has changed yet.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="A confirmed change of address.")
class EmailConfirmChangePayload:
    changed: bool | None = field("True when the new address is in force, false while the other one has yet to confirm.")
    user_errors: list[UserError] = errors()
