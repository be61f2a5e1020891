"""Localised texts of offers and articles."""

from collections.abc import Sequence
from typing import Any

from models.locale import Locale
from resolvers.context import Context
from schema.fields import Column


def text_of(name: str) -> Column:
    """The batch of a text in the requested language, by default the viewer's."""

    def localized(
        context: Context, parents: Sequence[Any], locale: Locale | None = None
    ) -> list[Any]:
        chosen = locale or context.viewer.locale
        return [parent.text(chosen)[name] for parent in parents]

    return localized
