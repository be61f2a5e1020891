"""The languages of the application: French, the default, and English."""

from enum import StrEnum

from engine.http import cached_header, quality_values


class Locale(StrEnum):
    """A language of texts for people, as a primary language subtag (BCP 47)."""

    FR = "fr"
    EN = "en"


def preferred_locale(accept_language: str | None, default: Locale = Locale.FR) -> Locale:
    """Return the preferred supported language of an Accept-Language header (RFC 9110, section
    12.5.4), or `default`.
    """
    return _best_match(accept_language) or default


@cached_header
def _best_match(accept_language: str | None) -> Locale | None:
    ranked = sorted(quality_values(accept_language, limit=20), key=lambda pair: -pair[1])
    for tag, quality in ranked:
        language = tag.split("-")[0].strip()
        if quality > 0 and language in set(Locale):
            return Locale(language)
    return None
