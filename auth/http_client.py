"""HTTP requests to other servers: with a time limit, a size limit, and a URL configured by the
operator.
"""

import asyncio
import ssl
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import cache
from urllib.parse import urlsplit

import httpx

MAX_BODY_BYTES = 256 * 1024  # bytes of a response


class Unavailable(Exception):
    """The server did not respond in time, or not with status 200 and a body of reasonable size.
    `reason` names the kind of failure.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def is_server_url(url: str) -> bool:
    """Whether the URL is one of a server or of a path on it, without credentials, query and
    fragment.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for an invalid port
    except ValueError:
        return False
    is_plain = not parts.query and not parts.fragment and parts.username is None
    return bool(parts.scheme in ("http", "https") and parts.hostname and is_plain)


@cache
def tls_context() -> ssl.SSLContext:
    """The TLS settings for requests to other servers: certificates must be signed by a public
    authority or by one of `SSL_CERT_FILE`. Reading the authorities takes some 20 milliseconds, so
    all clients of the process share them.
    """
    return httpx.create_ssl_context()


class HttpClient:
    """Sends GET requests to paths below `url`; each may take `seconds` in total."""

    def __init__(self, url: str, seconds: float, **headers: str) -> None:
        self._url = url.rstrip("/")
        self._seconds = seconds
        self._headers = {"User-Agent": "CAMCHA", "Accept-Encoding": "identity", **headers}

    async def get(
        self,
        path: str,
        query: dict[str, str] | None = None,
        slot: AbstractAsyncContextManager[object] | None = None,
    ) -> bytes:
        """The body of the response; waiting for `slot` counts towards the time limit. Raises
        Unavailable.
        """
        try:
            async with asyncio.timeout(self._seconds), slot or nullcontext():
                return await self._body(path, query)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(type(error).__name__) from None

    async def _body(self, path: str, query: dict[str, str] | None) -> bytes:
        body = bytearray()
        async with (
            httpx.AsyncClient(
                timeout=self._seconds, headers=self._headers, verify=tls_context(), trust_env=False
            ) as client,
            client.stream("GET", f"{self._url}/{path}", params=query) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise Unavailable(f"status {response.status_code}")
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise Unavailable("too large")
        return bytes(body)
