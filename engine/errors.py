"""Errors as strangers may see them."""

from __future__ import annotations

import logging
from secrets import token_hex
from typing import Any

from graphql import GraphQLError

from engine.documents.limits import BAD_USER_INPUT, INTERNAL

log = logging.getLogger("engine")


def masked(error: GraphQLError, context: Any) -> dict[str, Any]:
    """Format an execution error. What a resolver raised as a GraphQLError is shown; anything else is logged and masked.

    A masked error says INTERNAL and carries an `errorId`, which the log has too, with the traceback.
    """
    cause: BaseException | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    if cause is None:
        return coded(error)
    formatted: dict[str, Any] = dict(error.formatted)
    return {**formatted, **internal(cause)}


def internal(error: BaseException) -> dict[str, Any]:
    """Log an unexpected error once, under a random id, and answer what a stranger may know of it."""
    error_id = token_hex(8)
    log.error("Internal error %s", error_id, exc_info=error)
    return {"message": "Internal error", "extensions": {"code": INTERNAL, "errorId": error_id}}


def coded(error: GraphQLError, code: str = BAD_USER_INPUT) -> dict[str, Any]:
    """The error as the specification formats it, with a code if it has none of its own."""
    formatted: dict[str, Any] = dict(error.formatted)
    return {**formatted, "extensions": {"code": code, **(error.extensions or {})}}
