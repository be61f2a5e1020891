"""Whose pages a browser may call from: those of the host it calls, and those that the operator names."""


def ours(origin: str, host: str, allowed: frozenset[str]) -> bool:
    """Whether an Origin header is of a page of ours. `host` is the header Host, `allowed` as in "https://www.example.fr"."""
    return origin in allowed or (host != "" and origin.partition("://")[2].lower() == host.lower())
