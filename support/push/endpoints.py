"""The push services that devices may name.

A device's endpoint is a URL that its client chooses. Its host must belong to a push service that is
known or that the operator has named, and auth/public_requests.py sends the requests. Only what the
operator has named may be at an address that isn't public.
"""

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

import httpx

from auth import public_requests
from auth.public_requests import Endpoint

_HTTPS = 443


@dataclass(frozen=True)
class PushService:
    """A push service: a domain with its subdomains, and its port. `may_be_private` is whether it
    may be at an address that isn't public.
    """

    domain: str
    port: int = _HTTPS
    may_be_private: bool = False

    @property
    def name(self) -> str:
        """The domain, with the port when it isn't that of HTTPS."""
        return self.domain if self.port == _HTTPS else f"{self.domain}:{self.port}"

    @cached_property
    def resolver(self) -> ThreadPoolExecutor:
        """The threads in which names are looked up: a slow DNS server must not block those that
        other services need.
        """
        return ThreadPoolExecutor(2, f"names of {self.name}")

    def has_host(self, host: str, port: int) -> bool:
        """Whether this host is part of the service."""
        is_inside = host == self.domain or host.endswith(f".{self.domain}")
        return is_inside and port == self.port


# Those of Chrome and most Android browsers, Firefox, Edge on Windows, and Safari.
KNOWN_SERVICES = (
    PushService("fcm.googleapis.com"),
    PushService("push.services.mozilla.com"),
    PushService("notify.windows.com"),
    PushService("push.apple.com"),
)


def named_service(text: str) -> PushService:
    """The service that an operator names as `host` or `host:port`. Raises ValueError."""
    match = re.fullmatch(r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?)(?::([0-9]{1,5}))?", text.lower())
    port = int(match[3] or _HTTPS) if match else 0
    if match is None or not 0 < port < 65_536:
        raise ValueError(text)
    return PushService(match[1], port, may_be_private=True)


def parse_endpoint(url: str) -> Endpoint | None:
    """The host and port of an endpoint; None unless it is a plain https URL with a host's name and
    a path.
    """
    endpoint = public_requests.parse_endpoint(url)
    return endpoint if endpoint and urlsplit(url).path.strip("/") else None


def service_of(endpoint: Endpoint, services: Sequence[PushService]) -> PushService | None:
    """The service that an endpoint belongs to, None for an unknown one."""
    return next((each for each in services if each.has_host(*endpoint)), None)


async def post(
    client: httpx.AsyncClient,
    service: PushService,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
) -> httpx.Response:
    """Send a request to an endpoint of this service. Returns the response, whose body isn't read.
    Raises PrivateAddress, OSError and httpx.HTTPError.
    """
    endpoint = parse_endpoint(url)
    if endpoint is None or not service.has_host(*endpoint):
        raise httpx.UnsupportedProtocol("not an endpoint of the service")
    return await public_requests.post(
        client,
        service.resolver,
        url,
        endpoint,
        body,
        headers,
        may_be_private=service.may_be_private,
    )
