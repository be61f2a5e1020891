"""Which websites a browser may call from: the host it calls, and the origins that the operator
allows.
"""


def is_allowed(origin: str, host: str, allowed: frozenset[str]) -> bool:
    """Whether an Origin header is allowed. `host` is the Host header; `allowed` holds origins like
    "https://www.example.fr".
    """
    return origin in allowed or (host != "" and origin.partition("://")[2].lower() == host.lower())
