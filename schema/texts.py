"""Fields of localised texts."""

from collections.abc import Sequence
from typing import Any

from models.locale import Locale
from resolvers.context import Context
from schema.fields import Column


def text_of(name: str) -> Column:
    """One of the texts of offers and articles, in the language asked for or the viewer's."""

    def localized(context: Context, parents: Sequence[Any], locale: Locale | None = None) -> list[Any]:
        chosen = locale or context.viewer.locale
        return [parent.text(chosen)[name] for parent in parents]

    return localized
