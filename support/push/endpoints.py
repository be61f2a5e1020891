"""The push services that devices may name, and requests to them.

A device's endpoint is a URL that its client chooses, so a request to it could reach what only this
server can reach. Three rules prevent that: the host must belong to a push service that is known or
that the operator has named; the request goes to the address that was checked, which must be public
unless the operator has named the service; and redirects aren't followed.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # IPv4 addresses in IPv6 (RFC 6052)
_HTTPS = 443
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # of a host's name (RFC 1123)
_HOST_LENGTH = 253


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


class Endpoint(NamedTuple):
    """Where a URL leads: its host in lower case, and its port."""

    host: str
    port: int


def parse_endpoint(url: str) -> Endpoint | None:
    """The host and port of an endpoint; None unless it is a plain https URL with a host's name."""
    if not re.fullmatch(r"https://[\x21-\x7e]+", url) or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _HTTPS
    except ValueError:
        return None
    if not host or "@" in parts.netloc or parts.fragment or not parts.path.strip("/"):
        return None
    return Endpoint(host, port) if _is_host_name(host) else None


def _is_host_name(host: str) -> bool:
    """Whether this is a host name that can be looked up, and not an IPv6 address."""
    return len(host) <= _HOST_LENGTH and all(map(_LABEL.fullmatch, host.split(".")))


def service_of(endpoint: Endpoint, services: Sequence[PushService]) -> PushService | None:
    """The service that an endpoint belongs to, None for an unknown one."""
    return next((each for each in services if each.has_host(*endpoint)), None)


def is_public(address: str) -> bool:
    """Whether an IP address is a public Internet address: not private, local or reserved, even when
    it is written as another kind of address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.sixtofour or ip.teredo:
            return False
        mapped = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else ip.ipv4_mapped
        ip = mapped or ip
    return ip.is_global and not ip.is_multicast


class PrivateAddress(Exception):
    """The host of an endpoint is at an address that isn't public."""


async def post(
    client: httpx.AsyncClient,
    service: PushService,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
) -> httpx.Response:
    """Send a request to an endpoint of this service, at the address that was checked. Returns the
    response, whose body isn't read. Raises PrivateAddress, OSError and httpx.HTTPError.
    """
    endpoint, target = parse_endpoint(url), httpx.URL(url)
    if endpoint is None or not service.has_host(*endpoint):
        raise httpx.UnsupportedProtocol("not an endpoint of the service")
    infos = await asyncio.get_running_loop().run_in_executor(
        service.resolver,
        partial(socket.getaddrinfo, *endpoint, type=socket.SOCK_STREAM),
    )
    addresses = [str(info[4][0]) for info in infos]
    if not service.may_be_private and not all(map(is_public, addresses)):
        raise PrivateAddress(endpoint.host)
    *others, last = dict.fromkeys(addresses)
    for address in others:
        with suppress(httpx.ConnectError):
            return await _send(client, endpoint, target, address, body, headers)
    return await _send(client, endpoint, target, last, body, headers)


async def _send(
    client: httpx.AsyncClient,
    endpoint: Endpoint,
    target: httpx.URL,
    address: str,
    body: bytes,
    headers: Mapping[str, str],
) -> httpx.Response:
    request = client.build_request(
        "POST",
        target.copy_with(host=address),
        content=body,
        headers={**headers, "Host": target.netloc.decode()},
        extensions={"sni_hostname": endpoint.host},  # whose certificate is expected, too
    )
    response = await client.send(request, stream=True, follow_redirects=False)
    await response.aclose()
    return response
