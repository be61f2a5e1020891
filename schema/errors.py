"""Top-level errors: those of the domain in the viewer's language with their codes, all others
masked.
"""

from typing import Any

from graphql import GraphQLError

from engine import mask_error
from models.database.failures import log_unavailable
from models.errors import DomainError, Refusal, ServiceUnavailable, Throttled, message_for
from resolvers.context import Context


def format_error(error: GraphQLError, context: Context) -> dict[str, Any]:
    """The formatted error of a response. Path and locations are kept, nothing internal is
    revealed.
    """
    cause: BaseException | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    if not isinstance(cause, DomainError):
        return mask_error(error, context)
    return {**error.formatted, **error_body(cause, context)}


def error_body(error: DomainError, context: Context) -> dict[str, Any]:
    """The message and extensions of a domain error."""
    extensions: dict[str, Any] = {"code": error.code}
    if isinstance(error, Refusal) and error.field:
        extensions["field"] = list(error.field)
    if isinstance(error, ServiceUnavailable):
        log_unavailable(error)
    if isinstance(error, Throttled | ServiceUnavailable):
        extensions["retryAfter"] = error.retry_after
    return {"message": message_for(error, context.viewer.locale), "extensions": extensions}
