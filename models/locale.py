"""The languages customers read: French first, English second."""

from enum import StrEnum

from engine.http import remembered


class Locale(StrEnum):
    """A language of the catalogue, the emails and the messages (BCP 47 primary tags)."""

    FR = "fr"
    EN = "en"


def preferred(accept_language: str | None, default: Locale = Locale.FR) -> Locale:
    """The best supported language of an Accept-Language header (RFC 9110, section 12.5.4), else `default`."""
    return _asked(accept_language) or default


@remembered
def _asked(accept_language: str | None) -> Locale | None:
    ranked = sorted((_weighted(part) for part in (accept_language or "").split(",")[:20]), key=lambda pair: -pair[1])
    for tag, weight in ranked:
        if weight > 0 and tag in set(Locale):
            return Locale(tag)
    return None


def _weighted(part: str) -> tuple[str, float]:
    tag, _, parameter = part.strip().partition(";")
    quality = parameter.strip().removeprefix("q=")
    try:
        weight = float(quality) if quality else 1.0
    except ValueError:
        weight = 0.0
    return tag.split("-")[0].strip().lower(), weight
