"""The network that an address belongs to, by which limits count callers."""

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=4_096)
def client_network(peer: str) -> str:
    """The network of an address: the address itself for IPv4, its /48 for IPv6, where one site has
    2^80 addresses.
    """
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.ip_network((address, 48), strict=False))
    return str(address)
