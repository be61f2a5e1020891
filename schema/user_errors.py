"""User errors: what the caller of a mutation can correct."""

from typing import Any

import strawberry

from resolvers.enums import AnyErrorCode
from schema.fields import field


@strawberry.type(description="An error that the user can correct.")
class UserError:
    code: AnyErrorCode = field("The code of the error, which never changes.")
    message: str = field("A message in the viewer's language.")
    field: list[str] | None = field(
        "The path of the input field that caused the error. Null when no single field did."
    )


def errors() -> Any:
    """The field `userErrors`, which each payload ends with."""
    return field("Errors that the user can correct. Empty when the mutation succeeded.")
