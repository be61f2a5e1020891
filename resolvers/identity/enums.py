"""Enums of identity."""

from auth.cookies import TokenDelivery
from models.identity.authenticator import AuthenticatorKind
from resolvers.described import described

described(
    TokenDelivery,
    "Where the tokens of a session go.",
    {
        "BODY": "Into the answer, to be sent as `Authorization: Bearer ...`: for mobile and other clients that keep secrets.",
        "COOKIE": "Into cookies that no script can read, and never into an answer: for pages in a browser.",
    },
)


described(
    AuthenticatorKind,
    "How an authenticator proves who somebody is.",
    {
        "TOTP": "By the six digits that an app shows (RFC 6238).",
        "PASSKEY": "By a key on a device that asks for a finger, a face or a PIN (WebAuthn).",
    },
)
