"""Sessions in browsers: both tokens are in cookies that scripts can't read.

A browser sends cookies with every request to us, whichever page causes it. So they only count in
requests that come from one of our pages, according to the browser's `Origin` header, or
`Sec-Fetch-Site` where it sends no `Origin` (GET within the site). A client that sends neither is no
current browser and doesn't need cookies. The cookies are also SameSite=Strict, so that requests
from other sites don't carry them; either protection alone might have a gap (OWASP ASVS 5, 3.3.2 and
3.5.1). Tokens received in cookies are never returned in a response body: a script injected into the
page can use the session while the page is open, but can't steal it.
"""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from auth.sessions import DeliveredElsewhere, Tokens
from realtime.origins import is_origin_allowed

SECURE_PREFIX = (
    "__Host-"  # RFC 6265bis, 4.1.3.2: from this host alone, over TLS alone, for all of its paths
)
ACCESS, REFRESH = "camcha_access", "camcha_refresh"
UNLOCK = (
    "camcha_unlock"  # the token of an email past the waits, put there by the page its link leads to
)


class TokenDelivery(StrEnum):
    """Where the tokens of a session are delivered."""

    BODY = "BODY"
    COOKIE = "COOKIE"


Header = Callable[[bytes], str | None]


class Cookies:
    """The cookies of an HTTP request, and those that its response sets. `secure` is whether
    browsers use HTTPS.

    `trusted` returns whether the request comes from one of our pages.
    """

    __slots__ = ("_given", "_prefix", "_set", "_trusted")

    def __init__(self, header: str | None, *, secure: bool, trusted: Callable[[], bool]) -> None:
        self._prefix = SECURE_PREFIX if secure else ""
        self._given = _read(header) if header else {}
        self._set: dict[str, str] = {}
        self._trusted = trusted

    @property
    def access(self) -> str | None:
        """The access token of the request."""
        return self._given.get(self._prefix + ACCESS)

    @property
    def refresh(self) -> str | None:
        """The refresh token of the request."""
        return self._given.get(self._prefix + REFRESH)

    @property
    def trusted(self) -> bool:
        """Whether the request comes from one of our pages."""
        return self._trusted()

    @property
    def unlock(self) -> str | None:
        """The unlock token of the request."""
        return self._given.get(self._prefix + UNLOCK)

    @property
    def any(self) -> bool:
        """Whether the request has a cookie that identifies a user."""
        return self.access is not None or self.refresh is not None

    def keep(self, tokens: Tokens | DeliveredElsewhere, at: datetime) -> DeliveredElsewhere:
        """Set the cookies of a new or refreshed session. Returns what the response body may
        contain: no tokens.
        """
        if isinstance(tokens, Tokens):
            self._put(ACCESS, tokens.access, tokens.access_expires_at, at)
            self._put(REFRESH, tokens.refresh, tokens.session.expires_at, at)
        return DeliveredElsewhere(tokens.access_expires_at, tokens.session)

    def clear(self) -> None:
        """Delete both cookies."""
        for name in (ACCESS, REFRESH):
            self._write(name, "", 0)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The Set-Cookie headers of the response."""
        return [(b"set-cookie", text.encode()) for text in self._set.values()]

    def unlocked(self, token: str, seconds: int) -> None:
        """Store an unlock token for the next sign-in from this browser."""
        self._write(UNLOCK, token, seconds)

    def _put(self, name: str, token: str, until: datetime, at: datetime) -> None:
        self._write(name, token, max(0, int((until - at).total_seconds())))

    def _write(self, name: str, value: str, seconds: int) -> None:
        secure = "; Secure" if self._prefix else ""
        self._set[name] = (
            f"{self._prefix}{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; "
            f"SameSite=Strict{secure}"
        )


def _read(header: str) -> dict[str, str]:
    """The cookies of a header by name, as defined in RFC 6265, section 4.2.1.

    A parser that strips more than spaces, or uses the last of two equal names, would let another
    host of the site set our cookies: a browser doesn't recognise the `__Host-` prefix after a
    character that only the parser treats as a space.
    """
    given: dict[str, str] = {}
    twice = set()
    for pair in header.split(";"):
        name, _, value = pair.strip(" \t").partition("=")
        if given.setdefault(name, value) != value:
            twice.add(name)
    return {name: value for name, value in given.items() if name not in twice}


def is_same_site(header: Header, allowed: frozenset[str], *, secure: bool) -> bool:
    """Whether a request comes from one of our pages, according to the browser. `allowed` are the
    origins of other sites of ours.

    With `secure`, a page of ours that was loaded without HTTPS doesn't count, because it may have
    been tampered with.
    """
    origin = header(b"origin")
    if origin is not None:
        plain = secure and not origin.startswith("https://") and origin not in allowed
        return not plain and is_origin_allowed(origin, header(b"host") or "", allowed)
    return header(b"sec-fetch-site") == "same-origin"
