"""User errors: what a mutation's caller can correct."""

from typing import Any

import strawberry

from resolvers.enums import AnyErrorCode
from schema.fields import field


@strawberry.type(description="Something the user can mend.")
class UserError:
    code: AnyErrorCode = field("What to switch on; never changes.")
    message: str = field("What went wrong, in the viewer's language.")
    field: list[str] | None = field("The path to the input at fault, null when it is none in particular.")


def errors() -> Any:
    """The field every payload ends with."""
    return field("The first thing the user can mend; empty when it worked.")
