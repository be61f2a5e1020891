"""Top-level errors: the domain's in the viewer's language with their codes, everything else masked."""

from typing import Any

from graphql import GraphQLError

from engine import mask_error
from models.errors import DomainError, Throttled, message_for
from resolvers.context import Context


def present(error: GraphQLError, context: Context) -> dict[str, Any]:
    """One error of an answer. Path and locations stay, nothing internal leaks."""
    cause: BaseException | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    if not isinstance(cause, DomainError):
        return mask_error(error, context)
    return {**error.formatted, **coded(cause, context)}


def coded(error: DomainError, context: Context) -> dict[str, Any]:
    """A domain error's message and extensions."""
    extensions: dict[str, Any] = {"code": error.code}
    if isinstance(error, Throttled):
        extensions["retryAfter"] = error.retry_after
    return {"message": message_for(error, context.viewer.locale), "extensions": extensions}
