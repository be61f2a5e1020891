"""The languages of the application: French, the default, and English."""

import re
from enum import StrEnum

from engine.http import cached_header, quality_values


class Locale(StrEnum):
    """A language of texts for people, as a primary language subtag (BCP 47)."""

    FR = "fr"
    EN = "en"


def preferred_locale(accept_language: str | None, default: Locale = Locale.FR) -> Locale:
    """Return the supported language that an Accept-Language header prefers (RFC 9110, section
    12.5.4), or `default`.

    Of languages with the same quality the first one is preferred. A language that is refused
    (`fr;q=0`) is chosen only when every other one is refused too.
    """
    return _preferred_by_default(accept_language)[default]


@cached_header
def _preferred_by_default(accept_language: str | None) -> dict[Locale, Locale]:
    ranks = _ranks(accept_language)
    return {
        default: max(Locale, key=lambda locale: (ranks[locale], locale is default))
        for default in Locale
    }


def _ranks(accept_language: str | None) -> dict[Locale, tuple[float, int]]:
    """The rank of each language: its quality, and its position from the end. A language that isn't
    listed has the quality 0, a refused one a negative quality.
    """
    ranks: dict[str, tuple[float, int]] = {}
    for position, (tag, quality) in enumerate(quality_values(accept_language, limit=20)):
        language = re.split("[-_]", tag)[0]
        if quality > 0:
            rank = (quality, -position)
        elif language == tag:  # refusing en-US does not refuse English
            rank = (-1.0, 0)
        else:
            continue
        ranks[language] = max(rank, ranks.get(language, rank))
    others = ranks.get("*", (0.0, 0))
    return {locale: ranks.get(locale, others) for locale in Locale}
