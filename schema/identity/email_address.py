"""Payloads of email address mutations."""

import strawberry

from schema.fields import field
from schema.user_errors import UserError, errors


@strawberry.type(description="The result of confirming an email address.")
class EmailVerifyPayload:
    verified: bool | None = field("True when the address is confirmed.")
    user_errors: list[UserError] = errors()


@strawberry.type(
    description="The result of a request that doesn't reveal whether the email address is known."
)
class EmailRequestVerificationPayload:
    accepted: bool | None = field(
        "True when the request was accepted. An email is on its way if the address is known and "
        "isn't confirmed yet."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(
    description="The result of a request that doesn't reveal whether the address belongs to "
    "someone else."
)
class EmailRequestChangePayload:
    accepted: bool | None = field(
        "True when the confirmation emails are on their way. Nothing has changed yet."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of confirming a change of address.")
class EmailConfirmChangePayload:
    changed: bool | None = field(
        "True when the new address is in effect. False while the other address still has to "
        "confirm."
    )
    user_errors: list[UserError] = errors()
