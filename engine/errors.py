"""Errors of a request and of an execution, as callers may see them. Nothing internal gets out."""

from __future__ import annotations

import logging
from secrets import token_hex
from typing import Any

from graphql import GraphQLError

BAD_USER_INPUT = "BAD_USER_INPUT"
QUERY_TOO_COSTLY = "QUERY_TOO_COSTLY"
FORBIDDEN = "FORBIDDEN"
DOCUMENT_NOT_TRUSTED = "DOCUMENT_NOT_TRUSTED"
PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
TIMEOUT = "TIMEOUT"
RESPONSE_TOO_LARGE = "RESPONSE_TOO_LARGE"
INTERNAL = "INTERNAL"

log = logging.getLogger("engine")


class RequestError(Exception):
    """The request is invalid and nothing was executed (GraphQL specification, "Request errors").

    `errors` are formatted for the response; each has `extensions.code`.
    """

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(errors[0]["message"])
        self.errors = errors


def request_error(message: str, code: str = BAD_USER_INPUT, **extensions: Any) -> RequestError:
    """A `RequestError` with a single error."""
    return RequestError([{"message": message, "extensions": {"code": code, **extensions}}])


def error_with_code(error: GraphQLError, code: str = BAD_USER_INPUT) -> dict[str, Any]:
    """The error formatted for the response. `code` applies only when the error has none of its
    own.
    """
    formatted_error: dict[str, Any] = dict(error.formatted)
    return {**formatted_error, "extensions": {"code": code, **(error.extensions or {})}}


def mask_error(error: GraphQLError, context: Any) -> dict[str, Any]:
    """Format an execution error: a GraphQLError that a resolver raised is shown, any other
    exception is logged and masked.

    A masked error has the code INTERNAL and an `errorId`, under which the log has the traceback.
    """
    cause: BaseException | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    if cause is None:
        return error_with_code(error)
    formatted_error: dict[str, Any] = dict(error.formatted)
    return {**formatted_error, **internal_error(cause)}


def internal_error(error: BaseException) -> dict[str, Any]:
    """Log an unexpected exception once, under a random id, and return what the caller may know
    about it.
    """
    error_id = token_hex(8)
    log.error("Internal error %s", error_id, exc_info=error)
    return {"message": "Internal error", "extensions": {"code": INTERNAL, "errorId": error_id}}
