"""Which websites a browser may call from: the host it calls, and the origins that the operator
allows.
"""


def is_origin_allowed(origin: str, host: str, allowed_origins: frozenset[str]) -> bool:
    """Whether an Origin header is allowed. `host` is the Host header; `allowed_origins` contains
    origins like "https://www.example.fr".
    """
    return origin in allowed_origins or (
        host != "" and origin.partition("://")[2].lower() == host.lower()
    )
