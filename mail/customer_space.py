"""The customer space: the vendor's site or application that uses the API, if the settings name it,
and our own pages for everything else.

A stored email links to `camcha:/...` (mail/message.py). Each of these links has a purpose. One with
a path in the settings leads to the customer space, any other to a page of ours; `sign-in` and
`ticket` lead to the start of the customer space when they have no path.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

TICKETS = "tickets/"  # how the path of a ticket begins
_TOKEN = re.compile(r"[\w.~-]+")
# The purposes of links, and what their paths must contain.
PLACEHOLDERS = {
    "sign-in": "",
    "ticket": "{number}",
    "verify": "{token}",
    "reset": "{token}",
    "invitation": "{token}",
    "email": "{token}",
    "unlock": "{token}",
}


@dataclass(frozen=True)
class CustomerSpace:
    """The customer space: its URL without a slash at the end, empty when there is none, and the
    paths in it by purpose.
    """

    url: str = ""
    paths: Mapping[str, str] = field(default_factory=dict)

    def link(self, path: str, query: str = "") -> str | None:
        """The URL that a link of an email leads to, given as the path and query of our own page;
        None when it leads to our own page.
        """
        if not self.url:
            return None
        if not path:
            return self.url + self.paths.get("sign-in", "/")
        if path.startswith(TICKETS):
            number = path.removeprefix(TICKETS)
            return self.url + self.paths.get("ticket", "/").replace("{number}", number)
        token = query.removeprefix("token=")
        if path in self.paths and _TOKEN.fullmatch(token):
            return self.url + self.paths[path].replace("{token}", token)
        return None


def customer_space_errors(url: str, paths: str) -> list[str]:
    """The errors in these two settings."""
    errors = []
    if url and not _is_url(url):
        errors.append("CAMCHA_FRONT_URL: must be https://host or https://host/path")
    if paths and not url:
        errors.append("CAMCHA_FRONT_PATHS: requires CAMCHA_FRONT_URL")
    for item in paths.split():
        purpose, equals, path = item.partition("=")
        placeholder = PLACEHOLDERS.get(purpose)
        if placeholder is None or not equals:
            errors.append(
                f"CAMCHA_FRONT_PATHS: {item} is not purpose=path, with a purpose of "
                f"{', '.join(PLACEHOLDERS)}"
            )
        elif not re.fullmatch(r"/[\w./~?&=#%{}-]*", path, re.ASCII) or path.startswith("//"):
            errors.append(f"CAMCHA_FRONT_PATHS: {path} is not a path such as /{purpose}")
        elif placeholder not in path:
            errors.append(f"CAMCHA_FRONT_PATHS: the path of {purpose} must contain {placeholder}")
    return errors


def customer_space(url: str, paths: str) -> CustomerSpace:
    """The customer space of these two settings, which have no errors."""
    pairs = (item.partition("=") for item in paths.split())
    return CustomerSpace(url.rstrip("/"), {purpose: path for purpose, _, path in pairs})


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_plain = not (parts.query or parts.fragment or "@" in parts.netloc) and parts.port != 0
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and is_plain
        and re.fullmatch(r"[\w.:/~\[\]-]+", url, re.ASCII) is not None
    )
