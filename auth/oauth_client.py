"""Requests to servers that require an OAuth 2.0 token for client credentials (RFC 6749, section
4.4).
"""

import asyncio
from typing import Any

import httpx
import orjson

from auth.http_client import Unavailable, tls_context

_TOKEN_MARGIN_SECONDS = 60


class OAuthClient:
    """Sends requests with a token, which is reused until it expires. Each request may take up to
    `seconds`, and its response may have up to `max_bytes`.
    """

    def __init__(
        self, token_url: str, client_id: str, client_secret: str, seconds: float, max_bytes: int
    ) -> None:
        self._token_url, self._credentials = token_url, (client_id, client_secret)
        self._seconds, self._max_bytes = seconds, max_bytes
        self._token, self._token_ends = "", 0.0

    async def request(
        self, method: str, url: str, headers: dict[str, str] | None = None, **parts: Any
    ) -> tuple[int, bytes]:
        """The status and the body of a response. A token that the server no longer accepts is
        replaced once. Raises Unavailable.
        """
        status, body = await self._authorized(method, url, headers or {}, **parts)
        if status == httpx.codes.UNAUTHORIZED:
            self._token = ""
            status, body = await self._authorized(method, url, headers or {}, **parts)
        return status, body

    async def _authorized(
        self, method: str, url: str, headers: dict[str, str], **parts: Any
    ) -> tuple[int, bytes]:
        headers = headers | {"Authorization": f"Bearer {await self._access_token()}"}
        return await self._send(method, url, headers=headers, **parts)

    async def _access_token(self) -> str:
        now = asyncio.get_running_loop().time()
        if not self._token or now >= self._token_ends:
            status, body = await self._send(
                "POST",
                self._token_url,
                data={"grant_type": "client_credentials"},
                auth=self._credentials,
            )
            if status != httpx.codes.OK:
                raise Unavailable(f"token status {status}")
            try:
                answer = orjson.loads(body)
                self._token = str(answer["access_token"])
                seconds = int(answer.get("expires_in", 0)) - _TOKEN_MARGIN_SECONDS
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise Unavailable(type(error).__name__) from None
            self._token_ends = now + max(seconds, 0)
        return self._token

    async def _send(self, method: str, url: str, **parts: Any) -> tuple[int, bytes]:
        body = bytearray()
        try:
            async with (
                asyncio.timeout(self._seconds),
                httpx.AsyncClient(
                    timeout=self._seconds,
                    headers={"User-Agent": "CAMCHA", "Accept-Encoding": "identity"},
                    verify=tls_context(),
                    trust_env=False,
                ) as client,
                client.stream(method, url, **parts) as response,
            ):
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > self._max_bytes:
                        raise Unavailable("too large")
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(type(error).__name__) from None
        return response.status_code, bytes(body)
