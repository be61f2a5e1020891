"""Arguments that several root fields share."""

from typing import Annotated

import strawberry

from models.locale import Locale

LanguageArgument = Annotated[
    Locale | None,
    strawberry.argument(description="The language of the text. Defaults to the viewer's language."),
]


IDEMPOTENCY_KEY = (
    "A key chosen by the client (at most 64 characters). Repeating the request with the same key "
    "and arguments returns the first result. Keys are kept for 30 days."
)


SlugArgument = Annotated[
    str, strawberry.argument(description="The identifier used in URLs: lowercase, with hyphens.")
]
