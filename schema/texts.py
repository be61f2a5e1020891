"""Localised texts of offers and articles."""

from collections.abc import Sequence
from typing import Any

from models.locale import Locale
from resolvers.context import Context
from schema.fields import ValueBatch


def text_of(name: str) -> ValueBatch:
    """The batch function of a text, in the requested language or by default the viewer's."""

    def resolve_texts(
        context: Context, parents: Sequence[Any], locale: Locale | None = None
    ) -> list[Any]:
        language = locale or context.viewer.locale
        return [parent.text(language)[name] for parent in parents]

    return resolve_texts
