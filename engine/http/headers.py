"""Parsing of request headers: content negotiation, content type, and quality values (RFC 9110,
section 12).
"""

from __future__ import annotations

from collections.abc import Callable
from email.message import Message
from functools import lru_cache, wraps
from math import inf
from typing import TypeVar

RESPONSE = "application/graphql-response+json"
JSON = "application/json"
MIN_COMPRESSED_SIZE = 1_400  # bytes; a smaller response fits into one packet anyway
MAX_CACHED_LENGTH = 256  # characters of a header

Parsed = TypeVar("Parsed")


def cached_header(parse: Callable[[str | None], Parsed]) -> Callable[[str | None], Parsed]:
    """Decorate a function of a header to parse each value once: a client sends the same one with
    every request.

    Long headers are not cached, so the cache stays small.
    """
    cached = lru_cache(maxsize=256)(parse)

    @wraps(parse)
    def parse_or_reuse(header: str | None) -> Parsed:
        return (
            cached(header) if header is None or len(header) <= MAX_CACHED_LENGTH else parse(header)
        )

    return parse_or_reuse


def quality_values(header: str | None, limit: int | None = None) -> list[tuple[str, float]]:
    """The values of an Accept or Accept-* header in lower case, in their order, each with its
    quality (0 to 1).

    The quality is 1 when omitted, and 0 when it is not a number. At most `limit` values are read.
    """
    parts = (header or "").lower().split(",")
    return [_quality_value(part) for part in (parts if limit is None else parts[:limit])]


def _quality_value(part: str) -> tuple[str, float]:
    value, *parameters = (piece.strip() for piece in part.split(";"))
    quality = next(
        (parameter.partition("=")[2] for parameter in parameters if parameter.startswith("q=")), "1"
    )
    try:
        return value, min(1.0, max(0.0, float(quality)))
    except ValueError:
        return value, 0.0


@cached_header
def response_media_type(accept: str | None) -> str | None:
    """The media type of the response; None when the client accepts neither.

    It is `application/json`, which every client can read, when the client sends no Accept header or
    has no preference. `application/graphql-response+json` is chosen when it is named and its
    quality is not lower.
    """
    if accept is None or not accept.strip():
        return JSON
    qualities = dict(quality_values(accept))
    response, json = _quality_of(RESPONSE, qualities), _quality_of(JSON, qualities)
    if max(response, json) <= 0:
        return None
    if response > json or (response == json and RESPONSE in qualities):
        return RESPONSE
    return JSON


def _quality_of(media_type: str, qualities: dict[str, float]) -> float:
    for name in (media_type, "application/*", "*/*"):  # the most specific range decides
        if name in qualities:
            return qualities[name]
    return 0.0


@cached_header
def accepts_html(accept: str | None) -> bool:
    """Whether the client is a browser: it names text/html, which no GraphQL client does."""
    return dict(quality_values(accept)).get("text/html", 0) > 0


@cached_header
def min_gzip_size(accept_encoding: str | None) -> float:
    """The size in bytes from which on a response is compressed (RFC 9110, section 12.5.3).

    It is infinite when the client doesn't accept gzip, and 0 when it accepts nothing else.
    """
    qualities = dict(quality_values(accept_encoding))
    others = qualities.get("*")
    gzip = qualities.get("gzip", qualities.get("x-gzip", others or 0.0))
    identity = qualities.get("identity", others if others == 0 else None)
    if gzip <= 0 or (identity is not None and identity > gzip):
        return inf
    return 0 if identity == 0 else MIN_COMPRESSED_SIZE


@cached_header
def content_type(header: str | None) -> tuple[str, str]:
    """The media type and the charset (utf-8 when omitted) of a Content-Type header, in lower
    case.
    """
    message = Message()
    message["content-type"] = header or "application/octet-stream"
    return message.get_content_type(), str(message.get_param("charset", "utf-8")).lower()
