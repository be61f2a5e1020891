"""Error codes of the identity domain."""

from models.errors import ErrorCode
from models.translations import _


class IdentityErrorCode(ErrorCode):
    """Error codes of the identity domain."""

    COOKIES_UNAVAILABLE = (
        "COOKIES_UNAVAILABLE",
        _("Cookies can’t be set over a WebSocket connection. Send this request over HTTP."),
    )
    CREDENTIALS_INVALID = "CREDENTIALS_INVALID", _("Incorrect email address or password.")
    EMAIL_INVALID = "EMAIL_INVALID", _("This email address isn’t valid.")
    EMAIL_TAKEN = "EMAIL_TAKEN", _("This email address is already in use.")
    EMAIL_UNVERIFIED = (
        "EMAIL_UNVERIFIED",
        _("Confirm your email address first, using the link we sent you."),
    )
    LAST_AUTHENTICATOR = (
        "LAST_AUTHENTICATOR",
        _("Your role requires a second factor. Add another one before you remove this one."),
    )
    PASSKEY_INVALID = "PASSKEY_INVALID", _("This passkey couldn’t be verified. Try again.")
    PASSWORD_WEAK = (
        "PASSWORD_WEAK",
        _("Choose a password of 12 to 128 characters that is hard to guess."),
    )
    SECOND_FACTOR_INVALID = (
        "SECOND_FACTOR_INVALID",
        _("This code is incorrect or has already been used. Wait for the next one."),
    )
    SECOND_FACTOR_REQUIRED = (
        "SECOND_FACTOR_REQUIRED",
        _("Enter the code from your authenticator app or a recovery code, or use your passkey."),
    )
    SECOND_FACTOR_RESERVED = (
        "SECOND_FACTOR_RESERVED",
        _("You can’t reset this person’s second factor. Contact our support team."),
    )
    STEP_UP_REQUIRED = (
        "STEP_UP_REQUIRED",
        _(
            "Confirm your identity first: enter your password (and your second factor, if you use "
            "one), or use a passkey."
        ),
    )
    TOKEN_INVALID = "TOKEN_INVALID", _("This link or code is no longer valid.")
