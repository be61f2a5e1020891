"""Enums of identity."""

from auth.cookies import TokenDelivery
from models.identity.authenticator import AuthenticatorKind
from resolvers.descriptions import describe_enum

describe_enum(
    TokenDelivery,
    "Where the tokens of a session are delivered.",
    {
        "BODY": "In the response, to be sent as `Authorization: Bearer ...`. For mobile apps and "
        "other clients that can keep a secret.",
        "COOKIE": "In cookies that scripts can't read, and never in a response. For pages in a "
        "browser.",
    },
)


describe_enum(
    AuthenticatorKind,
    "The kind of an authenticator.",
    {
        "TOTP": "An app that shows six-digit codes (RFC 6238).",
        "PASSKEY": "A passkey: a key on a device, unlocked by fingerprint, face or PIN (WebAuthn).",
    },
)
