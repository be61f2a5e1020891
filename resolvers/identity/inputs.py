"""Inputs of the identity mutations."""

import strawberry

from auth.cookies import TokenDelivery
from resolvers.arguments import IDEMPOTENCY_KEY

_COMPANY_DESCRIPTION = (
    "The ID of one of `Viewer.companies`. Defaults to the company that the user joined first."
)


_DELIVERY_DESCRIPTION = (
    "Where to deliver the tokens: in the response, or in cookies for pages in a browser."
)


_PASSKEY_DESCRIPTION = (
    "A passkey's response to `passkeyChallenge`: the output of the credential's `toJSON()`, as a "
    "string."
)


_NAME = "The name of the authenticator (at most 60 characters)."


@strawberry.input(description="The token from a verification email.")
class EmailVerifyInput:
    token: str = strawberry.field(
        description="The token from the email's link. Valid for 24 hours."
    )


@strawberry.input(description="The credentials of a user.")
class SessionSignInInput:
    email: str = strawberry.field(description="The verified email address.")
    password: str = strawberry.field(description="The user's password.")
    code: str | None = strawberry.field(
        default=None,
        description="A code from the authenticator app, or a recovery code. Required once the "
        "second factor is on.",
    )
    passkey: str | None = strawberry.field(
        default=None,
        description="A passkey's response to `passkeyChallenge` instead of the code: the output of "
        "its `toJSON()`, as a string.",
    )
    unlock_token: str | None = strawberry.field(
        default=None,
        description="The token from the email sent by `sessionRequestUnlock`. With it, sign-in "
        "isn't delayed by other people's failed attempts.",
    )
    account_id: strawberry.ID | None = strawberry.field(
        default=None, description=_COMPANY_DESCRIPTION
    )
    deliver: TokenDelivery = strawberry.field(
        default=TokenDelivery.BODY, description=_DELIVERY_DESCRIPTION
    )


@strawberry.input(
    description="A passkey's response, which replaces the password and the second factor."
)
class SessionSignInWithPasskeyInput:
    passkey: str = strawberry.field(description=_PASSKEY_DESCRIPTION)
    account_id: strawberry.ID | None = strawberry.field(
        default=None, description=_COMPANY_DESCRIPTION
    )
    deliver: TokenDelivery = strawberry.field(
        default=TokenDelivery.BODY, description=_DELIVERY_DESCRIPTION
    )


@strawberry.input(description="The company to switch to.")
class SessionSwitchAccountInput:
    account_id: strawberry.ID = strawberry.field(description="The ID of one of `Viewer.companies`.")


@strawberry.input(description="The refresh token of a session.")
class SessionRefreshInput:
    refresh_token: str | None = strawberry.field(
        default=None,
        description="The most recent refresh token. Each token works once; using it again ends the "
        "session. For 30 seconds the same client gets the same new tokens again, unless it has "
        "used them: repeat the request when its response is lost. Omit it when the tokens are in "
        "cookies; the new tokens are then set as cookies.",
    )


@strawberry.input(description="The credentials that confirm the identity of the signed-in user.")
class SessionStepUpInput:
    password: str | None = strawberry.field(
        default=None, description="The user's password. Not needed with a passkey."
    )
    code: str | None = strawberry.field(
        default=None,
        description="A code from the authenticator app, or a recovery code. Required once the "
        "second factor is on.",
    )
    passkey: str | None = strawberry.field(default=None, description=_PASSKEY_DESCRIPTION)


@strawberry.input(description="The passkey created by the user's device.")
class PasskeyRegisterInput:
    passkey: str = strawberry.field(
        description="The response to the options of `passkeyBegin`: the output of the credential's "
        "`toJSON()`, as a string."
    )
    name: str | None = strawberry.field(default=None, description=_NAME)


@strawberry.input(description="The authenticator to rename.")
class AuthenticatorRenameInput:
    authenticator_id: strawberry.ID = strawberry.field(
        description="The ID of one of the viewer's authenticators (`viewer { authenticators { id } "
        "}`)."
    )
    name: str = strawberry.field(
        description="The name of the authenticator (at most 60 characters)."
    )


@strawberry.input(description="The authenticator to remove.")
class AuthenticatorRemoveInput:
    authenticator_id: strawberry.ID = strawberry.field(
        description="The ID of one of the viewer's authenticators (`viewer { authenticators { id } "
        "}`)."
    )


@strawberry.input(description="The session to end.")
class SessionEndInput:
    session_id: strawberry.ID = strawberry.field(
        description="The ID of one of the viewer's sessions (`viewer { sessions { id } }`)."
    )


@strawberry.input(description="The email address whose sign-in is delayed by failed attempts.")
class SessionRequestUnlockInput:
    email: str = strawberry.field(
        description="The user's email address. An email is sent to it if the address is known."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)


@strawberry.input(description="The email address to verify.")
class EmailRequestVerificationInput:
    email: str = strawberry.field(
        description="The address that someone signed up with. An email is sent to it if it still "
        "has to be verified."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)


@strawberry.input(description="The email address of the user who forgot their password.")
class PasswordRequestResetInput:
    email: str = strawberry.field(
        description="The user's email address. An email is sent to it if the address is known."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY_KEY)


@strawberry.input(description="The token from the email and the new password.")
class PasswordResetInput:
    token: str = strawberry.field(
        description="The token from the email's link. Valid for 30 minutes and one use."
    )
    password: str = strawberry.field(
        description=(
            "A password of 12 to 128 characters that is hard to guess. There are no other "
            "requirements."
        )
    )
    code: str | None = strawberry.field(
        default=None,
        description="A code from the authenticator app or a recovery code. Required if the second "
        "factor is on.",
    )


@strawberry.input(description="The current and the new password.")
class PasswordChangeInput:
    current_password: str = strawberry.field(description="The current password.")
    new_password: str = strawberry.field(
        description=(
            "A password of 12 to 128 characters that is hard to guess. There are no other "
            "requirements."
        )
    )


@strawberry.input(description="The new email address.")
class EmailRequestChangeInput:
    email: str = strawberry.field(
        description="The new address, to which a confirmation email is sent."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The token from an email about a change of address.")
class EmailConfirmChangeInput:
    token: str = strawberry.field(
        description="The token from the email's link. Valid for 24 hours and one use."
    )


@strawberry.input(description="The authenticator app to set up. Requires the password.")
class TotpSetUpInput:
    password: str = strawberry.field(description="The user's password.")
    name: str | None = strawberry.field(default=None, description=_NAME)


@strawberry.input(description="The code that confirms an authenticator app.")
class TotpConfirmInput:
    code: str = strawberry.field(description="The six-digit code that the app currently shows.")
