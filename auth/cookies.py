"""Sessions of browsers: both tokens in cookies that no script can read.

A browser sends cookies with whatever page makes it call us. So they count only in a call from a page of ours, which the browser
itself says: by `Origin`, or where it sends none (GET within the site) by `Sec-Fetch-Site`. Neither means no browser of today's,
and such a client has no business with cookies. They are SameSite=Strict besides, so a call from another site carries none; of
two such walls one may have a hole (OWASP ASVS 5, 3.3.2 and 3.5.1). Tokens that came in cookies never come out in an answer's
body: a script that got into the page can use the session while the page is open, and can't take it away.
"""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from auth.sessions import Kept, Tokens
from realtime.origins import is_allowed

SECURE_PREFIX = "__Host-"  # RFC 6265bis, 4.1.3.2: from this host alone, over TLS alone, for all of its paths
ACCESS, REFRESH = "camcha_access", "camcha_refresh"
UNLOCK = "camcha_unlock"  # the token of an email past the waits, put there by the page its link leads to


class TokenDelivery(StrEnum):
    """Where the tokens of a session go."""

    BODY = "BODY"
    COOKIE = "COOKIE"


Header = Callable[[bytes], str | None]


class Cookies:
    """The cookies of one HTTP call, and those that its answer sets. `secure` when browsers reach us by https.

    `trusted` tells, when it is asked, whether a page of ours sent the call.
    """

    __slots__ = ("_given", "_prefix", "_set", "_trusted")

    def __init__(self, header: str | None, *, secure: bool, trusted: Callable[[], bool]) -> None:
        self._prefix = SECURE_PREFIX if secure else ""
        self._given = _read(header) if header else {}
        self._set: dict[str, str] = {}
        self._trusted = trusted

    @property
    def access(self) -> str | None:
        """The access token that came."""
        return self._given.get(self._prefix + ACCESS)

    @property
    def refresh(self) -> str | None:
        """The refresh token that came."""
        return self._given.get(self._prefix + REFRESH)

    @property
    def trusted(self) -> bool:
        """Whether a page of ours sent the call."""
        return self._trusted()

    @property
    def unlock(self) -> str | None:
        """The token of an email past the waits that came."""
        return self._given.get(self._prefix + UNLOCK)

    @property
    def any(self) -> bool:
        """Whether any came that says who somebody is."""
        return self.access is not None or self.refresh is not None

    def keep(self, tokens: Tokens | Kept, at: datetime) -> Kept:
        """Set what a session begins or goes on with. Returns what the answer's body may hold: no token."""
        if isinstance(tokens, Tokens):
            self._put(ACCESS, tokens.access, tokens.access_expires_at, at)
            self._put(REFRESH, tokens.refresh, tokens.session.expires_at, at)
        return Kept(tokens.access_expires_at, tokens.session)

    def clear(self) -> None:
        """Have the browser forget both."""
        for name in (ACCESS, REFRESH):
            self._write(name, "", 0)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the answer says of them."""
        return [(b"set-cookie", text.encode()) for text in self._set.values()]

    def unlocked(self, token: str, seconds: int) -> None:
        """Have this browser's next sign-in count as the reader's of that email."""
        self._write(UNLOCK, token, seconds)

    def _put(self, name: str, token: str, until: datetime, at: datetime) -> None:
        self._write(name, token, max(0, int((until - at).total_seconds())))

    def _write(self, name: str, value: str, seconds: int) -> None:
        secure = "; Secure" if self._prefix else ""
        self._set[name] = f"{self._prefix}{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"


def _read(header: str) -> dict[str, str]:
    """Each cookie by its name, as RFC 6265 (4.2.1) writes them.

    A library that strips more than spaces, or takes the last of two, lets another host of the site set ours: with a character
    before the name that is a space to the library alone, a browser sees no prefix there and keeps it for the whole site.
    """
    given: dict[str, str] = {}
    twice = set()
    for pair in header.split(";"):
        name, _, value = pair.strip(" \t").partition("=")
        if given.setdefault(name, value) != value:
            twice.add(name)
    return {name: value for name, value in given.items() if name not in twice}


def from_ours(header: Header, allowed: frozenset[str], *, secure: bool) -> bool:
    """Whether a call came from a page of ours, as far as its browser says so. `allowed` are other sites' origins.

    Where browsers reach us by https (`secure`), a page of ours that came without it may be anybody's who holds the line.
    """
    origin = header(b"origin")
    if origin is not None:
        plain = secure and not origin.startswith("https://") and origin not in allowed
        return not plain and is_allowed(origin, header(b"host") or "", allowed)
    return header(b"sec-fetch-site") == "same-origin"
