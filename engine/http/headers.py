"""Content negotiation: which of the two GraphQL media types the client prefers, how it takes them, and what it sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email.message import Message
from functools import lru_cache, wraps
from math import inf
from typing import TypeVar

RESPONSE = "application/graphql-response+json"
JSON = "application/json"
WORTH_COMPRESSING = 1_400  # bytes; a smaller answer is one packet on the wire anyway

Meaning = TypeVar("Meaning")


def remembered(read: Callable[[str | None], Meaning]) -> Callable[[str | None], Meaning]:
    """Reads a header once: a client sends the same one each time. What is long is read anew, so little is held."""
    kept = lru_cache(maxsize=256)(read)

    @wraps(read)
    def reading(header: str | None) -> Meaning:
        return kept(header) if header is None or len(header) <= 256 else read(header)

    return reading


@remembered
def choose(accept: str | None) -> str | None:
    """The media type to answer in; None when the client accepts neither.

    Without an Accept header, and where the client doesn't care, it is `application/json`, which every client reads;
    named with equal weight, `application/graphql-response+json` wins.
    """
    if accept is None or not accept.strip():
        return JSON
    ranges = dict(_ranges(accept))
    response, plain = _weight(RESPONSE, ranges), _weight(JSON, ranges)
    if max(response, plain) <= 0:
        return None
    if response > plain or (response == plain and RESPONSE in ranges):
        return RESPONSE
    return JSON


@remembered
def wants_page(accept: str | None) -> bool:
    """Whether a browser asks: it names text/html, which no GraphQL client does."""
    return dict(_ranges(accept or "")).get("text/html", 0) > 0


@remembered
def gzip_from(accept_encoding: str | None) -> float:
    """From how many bytes on the client is sent gzip (RFC 9110, section 12.5.3): all of it if nothing else is taken."""
    codings = dict(_ranges(accept_encoding or ""))
    others = codings.get("*")
    gzip = codings.get("gzip", codings.get("x-gzip", others or 0.0))
    identity = codings.get("identity", others if others == 0 else None)
    if gzip <= 0 or (identity is not None and identity > gzip):
        return inf
    return 0 if identity == 0 else WORTH_COMPRESSING


@remembered
def content_type(header: str | None) -> tuple[str, str]:
    """The media type and the charset (utf-8 when not said) of a Content-Type header, in lower case."""
    message = Message()
    message["content-type"] = header or "application/octet-stream"
    return message.get_content_type(), str(message.get_param("charset", "utf-8")).lower()


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        quality = next((p.partition("=")[2] for p in parameters if p.startswith("q=")), "1")
        yield name, _quality(quality)


def _quality(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0


def _weight(media_type: str, ranges: dict[str, float]) -> float:
    for name in (media_type, "application/*", "*/*"):  # the most specific range decides
        if name in ranges:
            return ranges[name]
    return 0.0
