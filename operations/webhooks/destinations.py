"""Where webhooks may be sent: to public hosts over HTTPS, and to those that the operator allows."""

import ipaddress
import re
from collections.abc import Collection
from contextlib import suppress
from typing import NamedTuple

from auth.public_requests import PORTS, Endpoint, is_public, parse_endpoint
from models.errors import CommonErrorCode, Refusal
from models.operations.webhook import URL_LENGTH
from models.translations import _

_INVALID = _(
    "Enter the https URL of a server on the Internet, such as https://www.example.fr/webhooks."
)


class Destination(NamedTuple):
    """The host and port of a URL, and whether the operator allows it to be at a private address."""

    endpoint: Endpoint
    may_be_private: bool


def named_host(text: str) -> Endpoint:
    """The host that an operator names as `host` or `host:port`. Raises ValueError."""
    match = re.fullmatch(r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?)(?::([0-9]{1,5}))?", text.lower())
    port = int(match[3] or PORTS["https"]) if match else 0
    if match is None or not 0 < port < 65_536:
        raise ValueError(text)
    return Endpoint(match[1], port)


def destination_of(url: str, private_hosts: Collection[Endpoint]) -> Destination | None:
    """Where a URL leads. None for one to which nothing may be sent: what isn't https, except at
    `private_hosts`, and an IP address that isn't public. The address behind a name is checked when
    a request is sent.
    """
    for scheme in PORTS:
        endpoint = parse_endpoint(url, scheme=scheme)
        if endpoint in private_hosts and endpoint:
            return Destination(endpoint, may_be_private=True)
    endpoint = parse_endpoint(url)
    if endpoint is None or "." not in endpoint.host:
        return None
    with suppress(ValueError):
        if not is_public(str(ipaddress.ip_address(endpoint.host))):
            return None
    return Destination(endpoint, may_be_private=False)


def checked_url(url: str, private_hosts: Collection[Endpoint]) -> str:
    """A URL to which webhooks may be sent. Raises TOO_LONG and VALUE_INVALID."""
    if len(url) > URL_LENGTH:
        raise Refusal(CommonErrorCode.TOO_LONG, "input", "url", length=URL_LENGTH)
    if destination_of(url, private_hosts) is None:
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "url", message=_INVALID)
    return url
