"""Requests to URLs that customers choose, which could reach what only this server can reach.

Two rules prevent that: the request goes to the address that was checked, which must be a public
one, so that a name can't lead elsewhere between the check and the connection (DNS rebinding); and
redirects aren't followed.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

PORTS = {"https": 443, "http": 80}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # IPv4 addresses in IPv6 (RFC 6052)
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # RFC 4291, section 2.4
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # of a host's name (RFC 1123)
_HOST_LENGTH = 253


class Endpoint(NamedTuple):
    """Where a URL leads: its host in lower case, and its port."""

    host: str
    port: int


def parse_endpoint(url: str, *, scheme: str = "https") -> Endpoint | None:
    """The host and port of an endpoint; None unless it is a plain URL of this scheme with a host's
    name.
    """
    if not re.fullmatch(rf"{scheme}://[\x21-\x7e]+", url) or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or PORTS[scheme]
    except ValueError:
        return None
    if not host or "@" in parts.netloc or parts.fragment:
        return None
    return Endpoint(host, port) if _is_host_name(host) else None


def _is_host_name(host: str) -> bool:
    """Whether this is a host name that can be looked up, and not an IPv6 address."""
    return len(host) <= _HOST_LENGTH and all(map(_LABEL.fullmatch, host.split(".")))


def is_public(address: str) -> bool:
    """Whether an IP address is a public Internet address: not private, local or reserved, even when
    it is written as another kind of address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.sixtofour or ip.teredo:
            return False
        mapped = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else ip.ipv4_mapped
        if mapped is None:
            return ip.is_global and ip in _GLOBAL_UNICAST
        ip = mapped
    return ip.is_global and not ip.is_multicast


class PrivateAddress(Exception):
    """The host of an endpoint is at an address that isn't public."""


async def post(
    client: httpx.AsyncClient,
    resolver: Executor,
    url: str,
    endpoint: Endpoint,
    body: bytes,
    headers: Mapping[str, str],
    *,
    may_be_private: bool = False,
) -> httpx.Response:
    """Send a request to a URL and the endpoint that it leads to, at an address that was checked.
    The name is looked up in a thread of `resolver`. Returns the response, whose body isn't read.
    Raises PrivateAddress, OSError and httpx.HTTPError.
    """
    lookup = partial(socket.getaddrinfo, *endpoint, type=socket.SOCK_STREAM)
    infos = await asyncio.get_running_loop().run_in_executor(resolver, lookup)
    addresses = [str(info[4][0]) for info in infos]
    if not may_be_private and not all(map(is_public, addresses)):
        raise PrivateAddress(endpoint.host)
    target = httpx.URL(url)
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


def retry_after(response: httpx.Response, at: datetime) -> timedelta | None:
    """The delay that the header Retry-After requests (RFC 9110, section 10.2.3): seconds or a
    time.
    """
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdecimal():
        return timedelta(seconds=min(int(value[:9]), 10**6))
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(until.replace(tzinfo=until.tzinfo or UTC) - at, timedelta())
