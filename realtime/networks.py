"""The network that an address belongs to, by which limits count callers."""

import ipaddress


def client_network(peer: str) -> str:
    """The network of an address: the address itself for IPv4, its /48 for IPv6, where one site has
    2^80 addresses.
    """
    try:
        parsed = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 48), strict=False))
    return str(parsed)
