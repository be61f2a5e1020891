"""What can go wrong by the rules of the business: one small family of errors, each with a message in the reader's language.

A `Refusal` is something the user can fix and becomes data (`userErrors`); every other error becomes a coded top-level error.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Self

from models.locale import Locale
from models.translations import Message, _, text


class Code(StrEnum):
    """Base of the enums of error codes: each value is a stable code with its default message."""

    message: Message

    def __new__(cls, code: str, message: Message) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.message = message
        return member


class ErrorCode(Code):
    """Stable codes of what a user can fix. The message beside a code may be reworded, the code never changes."""

    ACCOUNT_INACTIVE = (
        "ACCOUNT_INACTIVE",
        _("This company’s account isn’t active. One of its owners can ask our support team to reactivate it."),
    )
    ALREADY_CLAIMED = "ALREADY_CLAIMED", _("Another agent has already taken this ticket.")
    ALREADY_INVITED = (
        "ALREADY_INVITED",
        _("This address already has a pending invitation. Resend the invitation, or revoke it first."),
    )
    ALREADY_MEMBER = "ALREADY_MEMBER", _("This person is already a member of the company.")
    BLANK = "BLANK", _("This field can’t be blank.")
    CHANGE_RUNNING = (
        "CHANGE_RUNNING",
        _("A change of legal name is already in progress. Complete it or cancel it first."),
    )
    COOKIES_UNAVAILABLE = (
        "COOKIES_UNAVAILABLE",
        _("Cookies can’t be set over a WebSocket connection. Send this request over HTTP."),
    )
    CREDENTIALS_INVALID = "CREDENTIALS_INVALID", _("Incorrect email address or password.")
    EMAIL_INVALID = "EMAIL_INVALID", _("This email address isn’t valid.")
    EMAIL_TAKEN = "EMAIL_TAKEN", _("This email address is already in use.")
    EMAIL_UNVERIFIED = "EMAIL_UNVERIFIED", _("Confirm your email address first, using the link we sent you.")
    EVIDENCE_MISSING = "EVIDENCE_MISSING", _("A change of legal name needs a readable supporting document to be accepted.")
    FILE_REFUSED = (
        "FILE_REFUSED",
        _("These files can’t be attached. You can attach up to %(limit)s files that you uploaded and that aren’t in use yet."),
    )
    FILE_UNSUPPORTED = (
        "FILE_UNSUPPORTED",
        _("This file can’t be uploaded. We accept images, PDFs, text files, and office documents of up to 10 MB."),
    )
    IDEMPOTENCY_MISMATCH = (
        "IDEMPOTENCY_MISMATCH",
        _("This idempotency key has already been used with different arguments."),
    )
    INVITATION_ELSEWHERE = "INVITATION_ELSEWHERE", _("This invitation was sent to a different email address than yours.")
    LAST_AUTHENTICATOR = (
        "LAST_AUTHENTICATOR",
        _("Your role requires a second factor. Add another one before you remove this one."),
    )
    LAST_OPERATOR = "LAST_OPERATOR", _("There must be at least one operator. Give this role to someone else first.")
    LAST_OWNER = "LAST_OWNER", _("A company needs at least one owner. Transfer the ownership first.")
    EMAIL_CONTENT_DELETED = (
        "EMAIL_CONTENT_DELETED",
        _("This email contained a secret code that has since been deleted. Its recipient has to request a new one."),
    )
    NOT_ACTIVE = "NOT_ACTIVE", _("This is no longer active.")
    NOT_FOUND = "NOT_FOUND", _("This doesn’t exist, or you don’t have access to it.")
    PASSKEY_INVALID = "PASSKEY_INVALID", _("This passkey couldn’t be verified. Try again.")
    PASSWORD_WEAK = "PASSWORD_WEAK", _("Choose a password of 12 to 128 characters that is hard to guess.")
    PAYMENT_DECLINED = "PAYMENT_DECLINED", _("The bank declined the payment. Try another payment method.")
    PAYMENT_UNAVAILABLE = (
        "PAYMENT_UNAVAILABLE",
        _("The payment service isn’t responding. You can try again without being charged twice."),
    )
    POLICY_NOT_IN_FORCE = (
        "POLICY_NOT_IN_FORCE",
        _("This isn’t the version in force. Read the current version, then accept it."),
    )
    REQUEST_MISSING = "REQUEST_MISSING", _("This requires an open request from an owner of the company.")
    ROLE_RESERVED = (
        "ROLE_RESERVED",
        _("Only an owner can give or take away this role, and not through an invitation."),
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
    SIGN_IN_REQUIRED = (
        "SIGN_IN_REQUIRED",
        _("You already have a CAMCHA login with this address. Sign in, then accept the invitation."),
    )
    SIREN_INVALID = "SIREN_INVALID", _("This SIREN isn’t valid.")
    SIREN_OTHER = (
        "SIREN_OTHER",
        _("This number belongs to a different legal entity, which needs its own account."),
    )
    SIRET_INVALID = "SIRET_INVALID", _("This SIRET isn’t valid.")
    STEP_UP_REQUIRED = (
        "STEP_UP_REQUIRED",
        _("Confirm your identity first: enter your password (and your second factor, if you use one), or use a passkey."),
    )
    TOKEN_INVALID = "TOKEN_INVALID", _("This link or code is no longer valid.")
    TOO_LONG = "TOO_LONG", _("Use at most %(length)s characters.")
    TOO_MANY = "TOO_MANY", _("You already have the maximum of %(limit)s. Remove one first.")
    TRANSITION_ILLEGAL = "TRANSITION_ILLEGAL", _("This isn’t possible in the current state.")
    VALUE_INVALID = "VALUE_INVALID", _("This value isn’t valid.")
    VAT_NUMBER_INVALID = "VAT_NUMBER_INVALID", _("This VAT number isn’t valid.")


class DomainError(Exception):
    """A rule of the business said no. `code` is what clients switch on; `values` fill the message's placeholders.

    `locale` is set where the language to answer in is not the viewer's.
    """

    code: str
    message: Message
    locale: Locale | None = None

    def __init__(self, *details: object, **values: object) -> None:
        super().__init__(*details)
        self.values = values


class Refusal(DomainError):
    """Bad input that its author can fix.

    `field` is the path to the input at fault, empty when it is no single one. `message` replaces the code's own where a more
    precise one is known.
    """

    code: Code

    def __init__(self, code: Code, *field: str, message: Message | None = None, **values: object) -> None:
        super().__init__(code.value, **values)
        self.code = code
        self.field = field
        self.message = message or code.message


class Unauthenticated(DomainError):
    """Nobody is signed in, and the operation needs somebody."""

    code = "UNAUTHENTICATED"
    message = _("Sign in to continue.")


class Forbidden(DomainError):
    """Somebody is signed in, but their role does not include the operation."""

    code = "FORBIDDEN"
    message = _("Your role doesn’t allow this.")


class OriginRefused(Forbidden):
    """A request with cookies that, as far as the browser says, was not sent by a page of ours."""

    code = "ORIGIN_REFUSED"
    message = _("This request carries cookies but doesn’t come from an allowed page.")


class NotFound(DomainError):
    """It does not exist, or the viewer may not see it: the two look the same."""

    code = "NOT_FOUND"
    message = ErrorCode.NOT_FOUND.message


class BadInput(DomainError):
    """A query's argument is out of its range. `message` says what is allowed, and names the argument as `%(argument)s`."""

    code = "BAD_USER_INPUT"

    def __init__(self, argument: str, message: Message, **values: object) -> None:
        super().__init__(argument, argument=argument, **values)
        self.argument = argument
        self.message = message


class AfterAhead(BadInput):
    """A cursor beyond the end of its stream: the client knows another history, and must start from the beginning."""

    code = "AFTER_AHEAD"

    def __init__(self) -> None:
        super().__init__("after", _("This cursor is ahead of the stream. Start again from the beginning."))


class Throttled(DomainError):
    """Too many attempts. `retry_after` is in seconds."""

    code = "RATE_LIMITED"
    message = _("Too many attempts. Try again in %(wait)s.")

    def __init__(self, retry_after: int) -> None:
        super().__init__(retry_after, wait=timedelta(seconds=retry_after))
        self.retry_after = retry_after


def message_for(error: DomainError, locale: Locale) -> str:
    """What went wrong, as a sentence in the reader's language, or in the error's own."""
    return text(error.message, error.locale or locale, **error.values)
