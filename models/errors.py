"""What can go wrong by the rules of the business: one small family, put into words in one place (`models/messages.py`).

A `Refusal` is something the user can mend and becomes data (`userErrors`); every other error becomes a coded top-level error.
"""

from enum import StrEnum

from models.locale import Locale


class ErrorCode(StrEnum):
    """Stable codes of what a user can mend. The message beside a code may be reworded, the code never."""

    ACCOUNT_INACTIVE = "ACCOUNT_INACTIVE"
    ALREADY_CLAIMED = "ALREADY_CLAIMED"
    ALREADY_INVITED = "ALREADY_INVITED"
    ALREADY_MEMBER = "ALREADY_MEMBER"
    BLANK = "BLANK"
    CHANGE_RUNNING = "CHANGE_RUNNING"
    COOKIES_UNAVAILABLE = "COOKIES_UNAVAILABLE"
    CREDENTIALS_INVALID = "CREDENTIALS_INVALID"
    EMAIL_INVALID = "EMAIL_INVALID"
    EMAIL_TAKEN = "EMAIL_TAKEN"
    EMAIL_UNVERIFIED = "EMAIL_UNVERIFIED"
    EVIDENCE_MISSING = "EVIDENCE_MISSING"
    FILE_REFUSED = "FILE_REFUSED"
    FILE_UNSUPPORTED = "FILE_UNSUPPORTED"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"
    INVITATION_ELSEWHERE = "INVITATION_ELSEWHERE"
    LAST_AUTHENTICATOR = "LAST_AUTHENTICATOR"
    LAST_OPERATOR = "LAST_OPERATOR"
    LAST_OWNER = "LAST_OWNER"
    EMAIL_CONTENT_DELETED = "EMAIL_CONTENT_DELETED"
    NOT_ACTIVE = "NOT_ACTIVE"
    NOT_FOUND = "NOT_FOUND"
    PASSKEY_INVALID = "PASSKEY_INVALID"
    PASSWORD_WEAK = "PASSWORD_WEAK"  # noqa: S105 - a code, no secret
    PAYMENT_DECLINED = "PAYMENT_DECLINED"
    PAYMENT_UNAVAILABLE = "PAYMENT_UNAVAILABLE"
    POLICY_NOT_IN_FORCE = "POLICY_NOT_IN_FORCE"
    REQUEST_MISSING = "REQUEST_MISSING"
    ROLE_RESERVED = "ROLE_RESERVED"
    SECOND_FACTOR_INVALID = "SECOND_FACTOR_INVALID"
    SECOND_FACTOR_REQUIRED = "SECOND_FACTOR_REQUIRED"
    SECOND_FACTOR_RESERVED = "SECOND_FACTOR_RESERVED"
    SIGN_IN_REQUIRED = "SIGN_IN_REQUIRED"
    SIREN_INVALID = "SIREN_INVALID"
    SIREN_OTHER = "SIREN_OTHER"
    SIRET_INVALID = "SIRET_INVALID"
    STEP_UP_REQUIRED = "STEP_UP_REQUIRED"
    TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105 - a code, no secret
    TOO_LONG = "TOO_LONG"
    TOO_MANY = "TOO_MANY"
    TRANSITION_ILLEGAL = "TRANSITION_ILLEGAL"
    VALUE_INVALID = "VALUE_INVALID"
    VAT_NUMBER_INVALID = "VAT_NUMBER_INVALID"


class DomainError(Exception):
    """A rule of the business said no. `code` is what clients switch on. `locale` is set where it is not the viewer's."""

    code: str = "INTERNAL"
    locale: Locale | None = None


class Refusal(DomainError):
    """Bad input that its author can mend. `field` is the path to the input at fault; `facts` fill the message's blanks."""

    def __init__(self, code: ErrorCode, *field: str, **facts: object) -> None:
        super().__init__(code.value)
        self.code = code.value
        self.field = field
        self.facts = facts


class Unauthenticated(DomainError):
    """Nobody is signed in, and the operation needs somebody."""

    code = "UNAUTHENTICATED"


class Forbidden(DomainError):
    """Somebody is signed in, but their role does not include the operation."""

    code = "FORBIDDEN"


class OriginRefused(Forbidden):
    """Cookies came with a call that no page of ours has sent, as far as the browser tells."""

    code = "ORIGIN_REFUSED"


class NotFound(DomainError):
    """It does not exist, or the viewer may not see it: the two look the same."""

    code = "NOT_FOUND"


class BadInput(DomainError):
    """A query's argument is out of its range. `argument` names it; `reason` says what is allowed."""

    code = "BAD_USER_INPUT"

    def __init__(self, argument: str, reason: str) -> None:
        super().__init__(argument)
        self.argument = argument
        self.reason = reason


class AfterAhead(BadInput):
    """A cursor beyond the head of its stream: the client knows another history, and must start from the beginning."""

    code = "AFTER_AHEAD"


class Throttled(DomainError):
    """Too many attempts. `retry_after` is in seconds."""

    code = "RATE_LIMITED"

    def __init__(self, retry_after: int) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after
