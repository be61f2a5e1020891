"""The name by which users recognise a session: a few words derived from the User-Agent header (RFC
9110, section 10.1.5), never the full text.

The full text identifies a machine; "Firefox, Windows" does not.
"""

import re

_READ = 512
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
_PRODUCT = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,29}")


def device_of(user_agent: str | None) -> str | None:
    """A name such as `Firefox, Windows`; for other clients the first product's name, such as
    `okhttp`. None when there is none.
    """
    text = (user_agent or "")[:_READ]
    known = [_first(names, text) for names in (_BROWSERS, _SYSTEMS)]
    if any(known):
        return ", ".join(filter(None, known))
    product = _PRODUCT.match(text)
    return product[0] if product and product[0] != "Mozilla" else None


def _first(names: tuple[tuple[str, str], ...], text: str) -> str | None:
    return next((name for mark, name in names if mark in text), None)
