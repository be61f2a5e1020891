"""Which websites a browser may call from: the host it calls, and the origins that the operator
allows.
"""

from urllib.parse import urlsplit

_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")


def origins_of_server(base_url: str) -> frozenset[str]:
    """The origins of our own pages. On the developer's machine these are all its names, because
    browsers may show the pages under any of them.
    """
    scheme, _, host = base_url.partition("://")
    name = urlsplit(base_url).hostname or ""
    if name not in ("localhost", "127.0.0.1", "::1"):
        return frozenset({base_url})
    port = host.rpartition("]")[2].partition(":")[2]
    suffix = f":{port}" if port else ""
    return frozenset(f"{scheme}://{each}{suffix}" for each in _LOOPBACK_HOSTS)


def is_origin_allowed(origin: str, host: str, allowed_origins: frozenset[str]) -> bool:
    """Whether an Origin header is allowed. `host` is the Host header; `allowed_origins` contains
    origins like "https://www.example.fr".
    """
    return origin in allowed_origins or (
        host != "" and origin.partition("://")[2].lower() == host.lower()
    )
