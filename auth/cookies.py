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
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from auth.sessions import Tokens, WithheldTokens
from realtime.origins import is_origin_allowed

# RFC 6265bis, 4.1.3.2: set by this host alone, sent over TLS alone, for all paths of the host.
SECURE_PREFIX = "__Host-"
ACCESS_COOKIE, REFRESH_COOKIE = "camcha_access", "camcha_refresh"
# The token of an unlock email, set by the page that the email links to.
UNLOCK_COOKIE = "camcha_unlock"


class TokenDelivery(StrEnum):
    """Where the tokens of a session are delivered."""

    BODY = "BODY"
    COOKIE = "COOKIE"


Header = Callable[[bytes], str | None]


class Cookies:
    """The cookies of an HTTP request, and those that its response sets. `secure` is whether
    browsers use HTTPS.

    `is_trusted` returns whether the request comes from one of our pages, `cross_site` what the
    function of that name returns.
    """

    __slots__ = ("_cross_site", "_is_trusted", "_prefix", "_received", "_set")

    def __init__(
        self,
        header: str | None,
        *,
        secure: bool,
        is_trusted: Callable[[], bool],
        cross_site: Callable[[], "CrossSite | None"] = lambda: None,
    ) -> None:
        self._prefix = SECURE_PREFIX if secure else ""
        self._received = _parse(header) if header else {}
        self._set: dict[str, str] = {}
        self._is_trusted, self._cross_site = is_trusted, cross_site

    @property
    def access_token(self) -> str | None:
        """The access token of the request."""
        return self._received.get(self._prefix + ACCESS_COOKIE)

    @property
    def refresh_token(self) -> str | None:
        """The refresh token of the request."""
        return self._received.get(self._prefix + REFRESH_COOKIE)

    @property
    def is_trusted(self) -> bool:
        """Whether the request comes from one of our pages."""
        return self._is_trusted()

    @property
    def cross_site(self) -> "CrossSite | None":
        """The page's host and ours if the browser keeps no cookies of ours for the page."""
        return self._cross_site()

    @property
    def unlock_token(self) -> str | None:
        """The unlock token of the request."""
        return self._received.get(self._prefix + UNLOCK_COOKIE)

    @property
    def has_session(self) -> bool:
        """Whether the request has a cookie that identifies a user."""
        return self.access_token is not None or self.refresh_token is not None

    def set_tokens(self, tokens: Tokens, at: datetime) -> WithheldTokens:
        """Set the cookies of a new or refreshed session. Returns what the response body may
        contain: no tokens.
        """
        self._set_token(ACCESS_COOKIE, tokens.access, tokens.access_expires_at, at)
        self._set_token(REFRESH_COOKIE, tokens.refresh, tokens.session.expires_at, at)
        return WithheldTokens(tokens.access_expires_at, tokens.session)

    def clear(self) -> None:
        """Delete both cookies."""
        for name in (ACCESS_COOKIE, REFRESH_COOKIE):
            self._write(name, "", 0)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The Set-Cookie headers of the response."""
        return [(b"set-cookie", text.encode()) for text in self._set.values()]

    def set_unlock_token(self, token: str, seconds: int) -> None:
        """Store an unlock token for the next sign-in from this browser."""
        self._write(UNLOCK_COOKIE, token, seconds)

    def _set_token(self, name: str, token: str, expires_at: datetime, at: datetime) -> None:
        self._write(name, token, max(0, int((expires_at - at).total_seconds())))

    def _write(self, name: str, value: str, seconds: int) -> None:
        secure = "; Secure" if self._prefix else ""
        self._set[name] = (
            f"{self._prefix}{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; "
            f"SameSite=Strict{secure}"
        )


def _parse(header: str) -> dict[str, str]:
    """The cookies of a header by name, as defined in RFC 6265, section 4.2.1.

    A parser that strips more than spaces, or uses the last of two equal names, would let another
    host of the site set our cookies: a browser doesn't recognise the `__Host-` prefix after a
    character that only the parser treats as a space.
    """
    cookies: dict[str, str] = {}
    duplicates = set()
    for pair in header.split(";"):
        name, _, value = pair.strip(" \t").partition("=")
        if cookies.setdefault(name, value) != value:
            duplicates.add(name)
    return {name: value for name, value in cookies.items() if name not in duplicates}


class CrossSite(NamedTuple):
    """The host of a page, and our host that it calls, when they are of different sites."""

    page: str
    server: str


def cross_site(header: Header) -> CrossSite | None:
    """The two hosts of a request from a page of another site: there the browser silently drops our
    cookies, which are SameSite=Strict. None for any other request.

    The browser says so in `Sec-Fetch-Site`. Some older ones don't, and none says it to a server
    that it reaches neither by HTTPS nor on its own machine; `localhost` and `127.0.0.1`, which
    developers confuse, are then told apart by their names.
    """
    page = _host_name((header(b"origin") or "").partition("://")[2])
    server = _host_name(header(b"host") or "")
    site = header(b"sec-fetch-site")
    is_cross_site = (
        site == "cross-site"
        if site is not None
        else page != server and _is_loopback(page) and _is_loopback(server)
    )
    return CrossSite(page, server) if is_cross_site else None


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_same_site(header: Header, allowed_origins: frozenset[str], *, secure: bool) -> bool:
    """Whether a request comes from one of our pages, according to the browser. `allowed_origins`
    are the origins of other sites of ours.

    With `secure`, a page of ours that was loaded without HTTPS doesn't count, because it may have
    been tampered with.
    """
    origin = header(b"origin")
    if origin is not None:
        is_insecure = secure and not origin.startswith("https://") and origin not in allowed_origins
        return not is_insecure and is_origin_allowed(origin, header(b"host") or "", allowed_origins)
    return header(b"sec-fetch-site") == "same-origin"
