"""The errors that business rules raise, each with a message in the reader's language.

A `Refusal` is something the user can fix and becomes data (`userErrors`); every other error becomes
a coded top-level error.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Self

from models.locale import Locale
from models.translations import Translatable, _, text


class ErrorCode(StrEnum):
    """The base of the error codes: what clients switch on, each with its default message.

    Each domain declares its own in `models/<domain>/errors.py`. A message may be reworded, a code
    never changes.
    """

    message: Translatable

    def __new__(cls, code: str, message: Translatable) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.message = message
        return member


class CommonErrorCode(ErrorCode):
    """Codes that every domain uses."""

    BLANK = "BLANK", _("This field can’t be blank.")
    CARD_NUMBER = (
        "CARD_NUMBER",
        _("This looks like a card number. For your safety, don’t enter card numbers here."),
    )
    IDEMPOTENCY_MISMATCH = (
        "IDEMPOTENCY_MISMATCH",
        _("This idempotency key has already been used with different arguments."),
    )
    NOT_ACTIVE = "NOT_ACTIVE", _("This is no longer active.")
    NOT_FOUND = "NOT_FOUND", _("This doesn’t exist, or you don’t have access to it.")
    TOO_LONG = "TOO_LONG", _("Use at most %(length)s characters.")
    TOO_MANY = "TOO_MANY", _("You already have the maximum of %(limit)s. Remove one first.")
    TRANSITION_ILLEGAL = "TRANSITION_ILLEGAL", _("This isn’t possible in the current state.")
    VALUE_INVALID = "VALUE_INVALID", _("This value isn’t valid.")


class DomainError(Exception):
    """The base of the errors that business rules raise. `code` is what clients switch on; `values`
    fill the message's placeholders.

    `locale` is set where the language to answer in is not the viewer's.
    """

    code: str
    message: Translatable
    locale: Locale | None = None

    def __init__(self, *details: object, **values: object) -> None:
        super().__init__(*details)
        self.values = values


class Refusal(DomainError):
    """Invalid input that the user can correct.

    `field` is the path of the invalid field, empty when it isn't a single one. `message` replaces
    the code's own where a more precise one is known.
    """

    code: ErrorCode

    def __init__(
        self, code: ErrorCode, *field: str, message: Translatable | None = None, **values: object
    ) -> None:
        super().__init__(code.value, **values)
        self.code = code
        self.field = field
        self.message = message or code.message

    @property
    def refusals(self) -> "tuple[Refusal, ...]":
        """This refusal, or each of several."""
        return (self,)


class Refusals(Refusal):
    """Several independent errors of one input (models/checks.py). `code`, `field` and `message` are
    the first one's.
    """

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        first = refusals[0]
        super().__init__(first.code, *first.field, message=first.message, **first.values)
        self.args = (" ".join(refusal.code.value for refusal in refusals),)
        self._refusals = tuple(refusals)

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Every refusal, in the order of the input's fields."""
        return self._refusals


class Unauthenticated(DomainError):
    """No one is signed in, and the operation requires it."""

    code = "UNAUTHENTICATED"
    message = _("Sign in to continue.")


class Forbidden(DomainError):
    """Someone is signed in, but their role does not include the operation."""

    code = "FORBIDDEN"
    message = _("Your role doesn’t allow this.")


class KeyForbidden(Forbidden):
    """An API key may not use this field, because it lacks `scopes`, or because no key may: then
    there are none. `coordinate` is the field, such as `Ticket.subject`.
    """

    message = _("This API key can’t be used for this.")

    def __init__(self, scopes: Iterable[str] = (), coordinate: str | None = None) -> None:
        self.scopes, self.coordinate = sorted(scopes), coordinate
        super().__init__(scopes=", ".join(self.scopes))
        if self.scopes:
            self.message = _("This API key lacks the scope %(scopes)s.")


class KeyReadsOnly(KeyForbidden):
    """An API key was sent with a mutation."""

    message = _("API keys can only read. They can’t change anything.")


class OriginRefused(Forbidden):
    """According to the browser, the request was not sent by one of our pages, and it has cookies or
    asks for a subscription.
    """

    code = "ORIGIN_REFUSED"
    message = _(
        "This request doesn’t come from an allowed page. The operator of the server has to allow "
        "the page’s origin."
    )


class NotFound(DomainError):
    """It does not exist, or the viewer may not see it: the two look the same."""

    code = "NOT_FOUND"
    message = CommonErrorCode.NOT_FOUND.message


class BadInput(DomainError):
    """A query's argument is out of its range. `message` says what is allowed, and names the
    argument as `%(argument)s`.
    """

    code = "BAD_USER_INPUT"

    def __init__(self, argument: str, message: Translatable, **values: object) -> None:
        super().__init__(argument, argument=argument, **values)
        self.argument = argument
        self.message = message


class CursorAhead(BadInput):
    """A cursor beyond the end of its stream: the client has seen a different history, and has to
    start from the beginning.
    """

    code = "AFTER_AHEAD"

    def __init__(self) -> None:
        super().__init__(
            "after", _("This cursor is ahead of the stream. Start again from the beginning.")
        )


class StreamReset(BadInput):
    """A cursor of another epoch: events that the client has seen may be missing, and other events
    may have their numbers.
    """

    code = "STREAM_RESET"

    def __init__(self) -> None:
        super().__init__(
            "epoch",
            _("The event stream has been reset. Load everything again, and resume from there."),
        )


class Throttled(DomainError):
    """Too many attempts. `retry_after` is in seconds."""

    code = "RATE_LIMITED"
    message = _("Too many attempts. Try again in %(wait)s.")

    def __init__(self, retry_after: int) -> None:
        super().__init__(retry_after, wait=timedelta(seconds=retry_after))
        self.retry_after = retry_after


class ServiceUnavailable(DomainError):
    """Something that the request needs doesn't work at the moment, most often the database. Nothing
    is wrong with the request. `retry_after` is in seconds.

    It isn't known whether a mutation was executed, so its client repeats it with the same
    idempotency key.
    """

    code = "SERVICE_UNAVAILABLE"
    message = _("The service is temporarily unavailable. Try again in %(wait)s.")

    def __init__(self, reason: str, retry_after: int = 5) -> None:
        super().__init__(reason, wait=timedelta(seconds=retry_after))
        self.retry_after = retry_after


class TransactionConflict(ServiceUnavailable):
    """The database has rolled a transaction back because of another one: a deadlock or a
    serialization failure. `models.action.retry_conflict` repeats it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason, retry_after=1)


def message_for(error: DomainError, locale: Locale) -> str:
    """The message of an error in the reader's language, or in the language of the error."""
    return text(error.message, error.locale or locale, **error.values)
