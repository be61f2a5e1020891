"""Passwords that leaked elsewhere: asked of a range service, which learns neither the password nor its hash.

The service is sent the first 5 of the 40 hexadecimal digits of the password's SHA-1, which hundreds of leaked passwords share,
and answers with the rest of each (Have I Been Pwned, API v3, "Searching by range": k-anonymity). With `Add-Padding` its answers
are of like length, filled up with suffixes counted 0, so that their size tells nothing either. SHA-1 protects nothing here;
it is the service's way to name a password.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import structlog

_SECONDS = 2.0
_AT_ONCE = 16  # who waits longer than _SECONDS for their turn is answered as if the service were away
_LARGEST = 256 * 1024  # an answer has some 1,000 lines of 40 characters
_HEADERS = {"Add-Padding": "true", "User-Agent": "CAMCHA", "Accept-Encoding": "identity"}

log = structlog.stdlib.get_logger()


class _Unusable(Exception):
    """The service answered, but with nothing that can be read."""


def breaches_fault(url: str) -> str | None:
    """What is wrong with the address of a range service."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "https://host/range"
    good = parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment
    return None if good and parts.username is None else "https://host/range"


class Breaches:
    """A range service at `url`, below which each range lies under its 5 digits."""

    def __init__(self, url: str, seconds: float = _SECONDS) -> None:
        self._url = url.rstrip("/")
        self._seconds = seconds
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._tls = httpx.create_ssl_context()  # made once: it takes milliseconds

    async def holds(self, password: bytes) -> bool:
        """Whether the password is known to have leaked.

        False also when the service is away, slow or makes no sense, which is logged: sign-up and a reset after a theft must
        not depend on somebody else's server, and the other checks have passed.
        """
        digest = hashlib.sha1(password, usedforsecurity=False).hexdigest().upper()
        try:
            async with asyncio.timeout(self._seconds), self._turns:
                return _counted(await self._range(digest[:5]), digest[5:])
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, _Unusable) as fault:
            log.warning("breaches.away", fault=type(fault).__name__)
            return False

    async def _range(self, prefix: str) -> bytes:
        async with (
            httpx.AsyncClient(timeout=self._seconds, headers=_HEADERS, verify=self._tls, trust_env=False) as client,
            client.stream("GET", f"{self._url}/{prefix}") as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise _Unusable
            return await _bounded(response.aiter_raw())


async def _bounded(chunks: AsyncIterator[bytes]) -> bytes:
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > _LARGEST:
            raise _Unusable
    return bytes(body)


def _counted(body: bytes, suffix: str) -> bool:
    """Whether a line `SUFFIX:COUNT` names the suffix with a count above 0: those of 0 are padding."""
    lines = body.upper().split()
    if not lines or not all(_is_line(line) for line in lines):
        raise _Unusable
    return any(line.startswith(suffix.encode() + b":") and int(line[36:]) > 0 for line in lines)


def _is_line(line: bytes) -> bool:
    return line[35:36] == b":" and line[36:].isdigit() and len(line) < 56
