"""Passwords that leaked elsewhere: asked of a range service, which learns neither the password nor its hash.

The service is sent the first 5 of the 40 hexadecimal digits of the password's SHA-1, which hundreds of leaked passwords share,
and answers with the rest of each (Have I Been Pwned, API v3, "Searching by range": k-anonymity). With `Add-Padding` its answers
are of like length, filled up with suffixes counted 0, so that their size tells nothing either. SHA-1 protects nothing here;
it is the service's way to name a password.
"""

import asyncio
import hashlib

import structlog

from auth.http_client import HttpClient, Unavailable, usable

_SECONDS = 2.0
_AT_ONCE = 16  # who waits longer than _SECONDS for their turn is answered as if the service were away

log = structlog.stdlib.get_logger()


def breaches_fault(url: str) -> str | None:
    """What is wrong with the address of a range service."""
    return None if usable(url) else "https://host/range"


class Breaches:
    """A range service at `url`, below which each range lies under its 5 digits."""

    def __init__(self, url: str, seconds: float = _SECONDS) -> None:
        self._service = HttpClient(url, seconds, **{"Add-Padding": "true"})
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def holds(self, password: bytes) -> bool:
        """Whether the password is known to have leaked.

        False also when the service is away, slow or makes no sense, which is logged: sign-up and a reset after a theft must
        not depend on somebody else's server, and the other checks have passed.
        """
        digest = hashlib.sha1(password, usedforsecurity=False).hexdigest().upper()
        try:
            return _counted(await self._service.get(digest[:5], turn=self._turns), digest[5:])
        except Unavailable as away:
            log.warning("breaches.unavailable", error=away.fault)
            return False


def _counted(body: bytes, suffix: str) -> bool:
    """Whether a line `SUFFIX:COUNT` names the suffix with a count above 0: those of 0 are padding."""
    lines = body.upper().split()
    if not lines or not all(_is_line(line) for line in lines):
        raise Unavailable("nonsense")
    return any(line.startswith(suffix.encode() + b":") and int(line[36:]) > 0 for line in lines)


def _is_line(line: bytes) -> bool:
    return line[35:36] == b":" and line[36:].isdigit() and len(line) < 56
