"""The pages to which a payment provider may send customers back: those that the operator allows.

A provider redirects to any URL that we pass, so that an open choice would let a link of ours lead
customers to anyone's page (CWE-601).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from models.errors import CommonErrorCode, Refusal

_MAX_LENGTH = 500
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class ReturnUrls:
    """Where payment providers may send customers back to: the allowed URLs, and URLs whose path
    continues one of them after a slash.
    """

    allowed: tuple[str, ...] = ()

    @classmethod
    def of(cls, urls: Iterable[str]) -> "ReturnUrls":
        """Allow these URLs and everything below them."""
        return cls(tuple(sorted(set(urls))))

    def check(self, url: str, *field: str) -> str:
        """The URL, if it is allowed. Raises VALUE_INVALID."""
        if len(url) > _MAX_LENGTH or not any(_is_below(url, each) for each in self.allowed):
            raise Refusal(CommonErrorCode.VALUE_INVALID, "input", *field)
        return url

    def check_optional(self, url: str | None) -> str | None:
        """The URL of an input's `returnUrl`, None without one. Raises VALUE_INVALID."""
        return self.check(url, "returnUrl") if url is not None else None


def return_url_errors(urls: Iterable[str]) -> list[str]:
    """What is wrong with the URLs of the setting."""
    return [
        f"CAMCHA_RETURN_URLS: {url} is not a URL such as https://shop.example.fr/payments, without "
        "query and fragment"
        for url in urls
        if (parts := _parts(url)) is None or parts.query or parts.fragment
    ]


def _is_below(url: str, allowed: str) -> bool:
    parts, prefix = _parts(url), _parts(allowed)
    if parts is None or prefix is None or _origin(parts) != _origin(prefix):
        return False
    path = prefix.path.rstrip("/")
    segments = parts.path.replace("%2e", ".").replace("%2E", ".").split("/")
    return (parts.path == path or parts.path.startswith(f"{path}/")) and ".." not in segments


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]


def _parts(url: str) -> SplitResult | None:
    """The parts of a plain URL, None for one that programs may read in different ways."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for an invalid port
    except ValueError:
        return None
    is_plain = parts.scheme in _PORTS and parts.hostname and "@" not in parts.netloc
    return parts if is_plain else None
