"""Passwords known from data breaches, looked up in a range service that learns neither the password
nor its hash.

The service receives the first 5 of the 40 hexadecimal digits of the password's SHA-1 hash, which
hundreds of leaked passwords share, and returns the remaining digits of each (Have I Been Pwned API
v3, "Searching by range", k-anonymity). With `Add-Padding` all responses have a similar size, filled
up with suffixes whose count is 0, so that the size reveals nothing. SHA-1 protects nothing here; it
is how the service identifies passwords.
"""

import asyncio
import hashlib

import structlog

from auth.http_client import HttpClient, Unavailable, is_server_url

_TIMEOUT_SECONDS = 2.0
# Further lookups wait. One that waits longer than the timeout is answered as if the service were
# unavailable.
_MAX_CONCURRENT = 16

log = structlog.stdlib.get_logger()


def expected_breaches_url(url: str) -> str | None:
    """The expected form when the URL of a range service is invalid, else None."""
    return None if is_server_url(url) else "https://host/range"


class BreachChecker:
    """A range service at `url`; each range is at a path of its 5 digits."""

    def __init__(self, url: str, seconds: float = _TIMEOUT_SECONDS) -> None:
        self._service = HttpClient(url, seconds, **{"Add-Padding": "true"})
        self._slots = asyncio.Semaphore(_MAX_CONCURRENT)

    async def contains(self, password: bytes) -> bool:
        """Whether the password is known to have been leaked.

        False when the service is unavailable, slow or returns nonsense, which is logged: sign-ups
        and resets must not depend on another party's server, and the other checks have passed.
        """
        sha1 = hashlib.sha1(password, usedforsecurity=False).hexdigest().upper()
        try:
            return _is_listed(await self._service.get(sha1[:5], slot=self._slots), sha1[5:])
        except Unavailable as error:
            log.warning("breaches.unavailable", error=error.reason)
            return False


def _is_listed(body: bytes, suffix: str) -> bool:
    """Whether a line `SUFFIX:COUNT` lists the suffix with a count above 0; lines with 0 are
    padding.
    """
    lines = body.upper().split()
    if not lines or not all(_is_valid_line(line) for line in lines):
        raise Unavailable("nonsense")
    return any(line.startswith(suffix.encode() + b":") and int(line[36:]) > 0 for line in lines)


def _is_valid_line(line: bytes) -> bool:
    return line[35:36] == b":" and line[36:].isdigit() and len(line) < 56
