"""The name by which users recognise a session: a few words derived from the User-Agent header (RFC
9110, section 10.1.5), never the full text.

The full text identifies a machine; "Firefox, Windows" does not.
"""

import re

_MAX_LENGTH = 512
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)
_PRODUCT_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,29}")


def device_name(user_agent: str | None) -> str | None:
    """A name such as `Firefox, Windows`; for other clients the first product's name, such as
    `okhttp`. None when there is none.
    """
    text = (user_agent or "")[:_MAX_LENGTH]
    matches = [_first_match(names, text) for names in (_BROWSERS, _SYSTEMS)]
    if any(matches):
        return ", ".join(filter(None, matches))
    product = _PRODUCT_PATTERN.match(text)
    return product[0] if product and product[0] != "Mozilla" else None


def _first_match(names: tuple[tuple[str, str], ...], text: str) -> str | None:
    return next((name for marker, name in names if marker in text), None)
