"""Top-level errors: those of the domain and our own failures in the viewer's language with their
codes, all others masked.
"""

from typing import Any

from graphql import GraphQLError

from engine import TIMEOUT, mask_error
from models.database.failures import log_unavailable
from models.errors import (
    DomainError,
    KeyForbidden,
    Refusal,
    ServiceUnavailable,
    Throttled,
    message_for,
)
from models.translations import _, text
from resolvers.context import Context

_FAILURES = {
    "INTERNAL": _("Something went wrong on our side. Try again later."),
    TIMEOUT: _("This took too long and was stopped. Request less at once."),
}


def format_error(error: GraphQLError, context: Context) -> dict[str, Any]:
    """The formatted error of a response. Path and locations are kept, nothing internal is
    revealed.
    """
    cause: BaseException | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    if not isinstance(cause, DomainError):
        return _with_translation(mask_error(error, context), context)
    return {**error.formatted, **error_body(cause, context)}


def _with_translation(formatted_error: dict[str, Any], context: Context) -> dict[str, Any]:
    message = _FAILURES.get(formatted_error["extensions"]["code"])
    if message is None:
        return formatted_error
    return {**formatted_error, "message": text(message, context.viewer.locale)}


def error_body(error: DomainError, context: Context) -> dict[str, Any]:
    """The message and extensions of a domain error."""
    extensions: dict[str, Any] = {"code": error.code}
    if isinstance(error, Refusal):
        extensions |= _invalid_arguments(error, context)
    if isinstance(error, KeyForbidden):
        extensions |= _missing_scopes(error)
    if isinstance(error, ServiceUnavailable):
        log_unavailable(error)
    if isinstance(error, Throttled | ServiceUnavailable):
        extensions["retryAfter"] = error.retry_after
    return {"message": message_for(error, context.viewer.locale), "extensions": extensions}


def _missing_scopes(error: KeyForbidden) -> dict[str, Any]:
    """The scopes that an API key lacks, empty for what no key may do, and the field if known."""
    coordinate = {"coordinate": error.coordinate} if error.coordinate else {}
    return {"missingScopes": error.scopes, **coordinate}


def _invalid_arguments(refusal: Refusal, context: Context) -> dict[str, Any]:
    """The path of a query's invalid argument, and all errors if there are several."""
    errors = [
        {
            "code": each.code,
            "message": message_for(each, context.viewer.locale),
            "field": _argument_path(each),
        }
        for each in refusal.refusals
    ]
    path = _argument_path(refusal)
    return ({"field": path} if path else {}) | ({"errors": errors} if len(errors) > 1 else {})


def _argument_path(refusal: Refusal) -> list[str]:
    """The path of a query's argument, which isn't part of an input as in mutations."""
    path = list(refusal.field)
    return path[1:] if path[:1] == ["input"] else path
