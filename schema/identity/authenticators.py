"""Authenticators: apps, passkeys and recovery codes."""

from datetime import datetime

import strawberry

import models.identity.authenticator
from models.identity.authenticator import AuthenticatorKind
from schema.fields import field
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors


@strawberry.type(description="A second factor or passkey that a user can sign in with.")
@backed_by(models.identity.authenticator.Authenticator)
class Authenticator(Node):
    kind: AuthenticatorKind = field("The kind of authenticator.")
    name: str = field("The name that the user gave to the authenticator.")
    created_at: datetime = field("When the authenticator was set up.")
    last_used_at: datetime | None = field(
        "When the authenticator was last used. Null when it has never been used."
    )


@strawberry.type(description="The result of creating new recovery codes.")
class RecoveryCodesRenewPayload:
    recovery_codes: list[str] | None = field(
        "The new recovery codes, shown only once. Each works once in place of a code."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of removing an authenticator.")
class AuthenticatorRemovePayload:
    second_factor: bool | None = field(
        "Whether sign-in still requires a second factor. False once the last authenticator is "
        "removed."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of a change to an authenticator.")
class AuthenticatorPayload:
    authenticator: Authenticator | None = field("The authenticator after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The options for creating a passkey.")
class PasskeyBeginPayload:
    options: str | None = field(
        "JSON for `PublicKeyCredential.parseCreationOptionsFromJSON`. Valid for five minutes and "
        "one use."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of registering a passkey.")
class PasskeyRegisterPayload:
    authenticator: Authenticator | None = field("The registered passkey.")
    recovery_codes: list[str] | None = field(
        "The recovery codes, shown only once. Null unless this is the first authenticator."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The options for using a passkey. They reveal nothing about any user.")
class PasskeyChallengePayload:
    options: str | None = field(
        "JSON for `PublicKeyCredential.parseRequestOptionsFromJSON`. Valid for five minutes and "
        "one use."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(
    description="The secret for an authenticator app (RFC 6238). Takes effect when confirmed."
)
class TotpSetUpPayload:
    secret: str | None = field("The secret in Base32, for manual entry.")
    provisioning_uri: str | None = field("The secret as an otpauth URI.")
    qr_code_svg: str | None = field("The URI as a QR code in SVG.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of confirming an authenticator app.")
class TotpConfirmPayload:
    authenticator: Authenticator | None = field("The confirmed authenticator app.")
    recovery_codes: list[str] | None = field(
        "The recovery codes, shown only once. Each works once in place of a code. Null unless this "
        "is the first authenticator."
    )
    user_errors: list[UserError] = errors()
