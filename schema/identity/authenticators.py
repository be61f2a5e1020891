"""Authenticators: apps, passkeys and recovery codes."""

from datetime import datetime

import strawberry

from models.identity.authenticator import AuthenticatorKind
from resolvers.identity import authenticators as authenticator_resolvers
from schema.fields import field
from schema.user_errors import UserError, errors


@strawberry.type(description="What a person proves with, besides a password, that it is them.")
class Authenticator:
    id: strawberry.ID = field(
        "What `authenticatorRename` and `authenticatorRemove` take.", authenticator_resolvers.authenticator_id
    )
    kind: AuthenticatorKind = field("How it proves it.")
    name: str = field("By which the person knows it.")
    created_at: datetime = field("When it was set up.")
    last_used_at: datetime | None = field("When it was used last, null for never.")


@strawberry.type(description="New recovery codes; the earlier ones work no more.")
class RecoveryCodesRenewPayload:
    recovery_codes: list[str] | None = field("Shown this once: each works one time in place of a code.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="Whether the authenticator is gone.")
class AuthenticatorRemovePayload:
    second_factor: bool | None = field("Whether sign-in still asks for a second factor: false once the last one is gone.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="An authenticator after the change.")
class AuthenticatorPayload:
    authenticator: Authenticator | None = field("The authenticator as it stands.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="What a browser makes a passkey by.")
class PasskeyBeginPayload:
    options: str | None = field("JSON for `PublicKeyCredential.parseCreationOptionsFromJSON`; good for five minutes, and once.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="A passkey that counts from now on.")
class PasskeyRegisterPayload:
    authenticator: Authenticator | None = field("The passkey.")
    recovery_codes: list[str] | None = field("Of the first authenticator, shown this once; null when there was one before.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="What a browser asks a passkey by. It tells nothing of anybody.")
class PasskeyChallengePayload:
    options: str | None = field("JSON for `PublicKeyCredential.parseRequestOptionsFromJSON`; good for five minutes, and once.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="A seed for an authenticator app (RFC 6238), in force once confirmed.")
class TotpSetUpPayload:
    secret: str | None = field("The seed in base 32, for typing.")
    provisioning_uri: str | None = field("The seed as an otpauth URI.")
    qr_code_svg: str | None = field("The URI as a QR code, an SVG image.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="An app that counts from now on.")
class TotpConfirmPayload:
    authenticator: Authenticator | None = field("The app.")
    recovery_codes: list[str] | None = field(
        "Of the first authenticator, shown this once: each works one time in place of a code. Null when there was one before."
    )
    user_errors: list[UserError] = errors()
