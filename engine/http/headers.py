"""Parsing of request headers: content negotiation, content type, and quality values (RFC 9110,
section 12).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from email.message import Message
from functools import lru_cache, wraps
from itertools import islice
from math import inf
from typing import TypeVar

GRAPHQL_RESPONSE_JSON = "application/graphql-response+json"
APPLICATION_JSON = "application/json"
EVENT_STREAM = "text/event-stream"
MIN_COMPRESSED_SIZE = 1_400  # bytes; a smaller response fits into one packet anyway
MAX_CACHED_LENGTH = 256  # characters of a header

T = TypeVar("T")

# Commas and semicolons within quoted strings separate nothing (RFC 9110, section 5.6).
_QUOTED_STRING = r'"(?:\\.|[^"\\])*"?'
_ELEMENT = re.compile(rf'(?:[^,"]|{_QUOTED_STRING})+')
_PARAMETER = re.compile(rf'(?:[^;"]|{_QUOTED_STRING})+')
_WEIGHT = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,9})?")


def cached_header(parse: Callable[[str | None], T]) -> Callable[[str | None], T]:
    """Decorate a function of a header to parse each value once: a client sends the same one with
    every request.

    Long headers are not cached, so the cache stays small.
    """
    cached_parse = lru_cache(maxsize=256)(parse)

    @wraps(parse)
    def parse_cached(header: str | None) -> T:
        return (
            cached_parse(header)
            if header is None or len(header) <= MAX_CACHED_LENGTH
            else parse(header)
        )

    return parse_cached


def quality_values(header: str | None, limit: int | None = None) -> list[tuple[str, float]]:
    """The values of an Accept or Accept-* header in lower case, in their order, each with its
    quality (0 to 1).

    Parameters other than the quality are left out. The quality is 1 when omitted, and 0 when it is
    not a number. At most `limit` values are read. (Libraries that do this are part of frameworks,
    or new and little used.)
    """
    elements = (each.strip() for each in _ELEMENT.findall((header or "").lower()))
    return [_quality_value(each) for each in islice(elements, limit) if each.strip("; ")]


def _quality_value(element: str) -> tuple[str, float]:
    value, *parameters = (part.strip() for part in _PARAMETER.findall(element))
    for parameter in parameters:
        name, _, weight = (part.strip() for part in parameter.partition("="))
        if name == "q":
            return value, min(1.0, float(weight)) if _WEIGHT.fullmatch(weight) else 0.0
    return value, 1.0


def _qualities(header: str | None) -> dict[str, float]:
    """The quality by value: the highest of those with different parameters."""
    qualities: dict[str, float] = {}
    for value, quality in quality_values(header):
        qualities[value] = max(quality, qualities.get(value, 0.0))
    return qualities


@cached_header
def response_media_type(accept: str | None) -> str | None:
    """The media type of the response; None when the client accepts neither.

    It is `application/json`, which every client can read, when the client sends no Accept header or
    has no preference. `application/graphql-response+json` is chosen when it is named and its
    quality is not lower.
    """
    if accept is None or not accept.strip():
        return APPLICATION_JSON
    qualities = _qualities(accept)
    graphql_quality = _quality_of(GRAPHQL_RESPONSE_JSON, qualities)
    json_quality = _quality_of(APPLICATION_JSON, qualities)
    if max(graphql_quality, json_quality) <= 0:
        return None
    if graphql_quality > json_quality or (
        graphql_quality == json_quality and GRAPHQL_RESPONSE_JSON in qualities
    ):
        return GRAPHQL_RESPONSE_JSON
    return APPLICATION_JSON


def _quality_of(media_type: str, qualities: dict[str, float]) -> float:
    for name in (media_type, "application/*", "*/*"):  # the most specific range decides
        if name in qualities:
            return qualities[name]
    return 0.0


@cached_header
def prefers_event_stream(accept: str | None) -> bool:
    """Whether the client prefers server-sent events to JSON, as EventSource and npm's graphql-sse
    do, which accept nothing else.
    """
    qualities = _qualities(accept)
    return qualities.get(EVENT_STREAM, 0) > max(
        _quality_of(name, qualities) for name in (GRAPHQL_RESPONSE_JSON, APPLICATION_JSON)
    )


@cached_header
def accepts_event_stream(accept: str | None) -> bool:
    """Whether the client can read server-sent events, which it has to name: `*/*` means JSON."""
    return _qualities(accept).get(EVENT_STREAM, 0) > 0


@cached_header
def accepts_html(accept: str | None) -> bool:
    """Whether the client is a browser: it names text/html, which no GraphQL client does."""
    return _qualities(accept).get("text/html", 0) > 0


@cached_header
def min_gzip_size(accept_encoding: str | None) -> float:
    """The size in bytes from which on a response is compressed (RFC 9110, section 12.5.3).

    It is infinite when the client doesn't accept gzip, and 0 when it accepts nothing else.
    """
    qualities = _qualities(accept_encoding)
    wildcard = qualities.get("*")
    gzip_quality = qualities.get("gzip", qualities.get("x-gzip", wildcard or 0.0))
    identity_quality = qualities.get("identity", wildcard if wildcard == 0 else None)
    if gzip_quality <= 0 or (identity_quality is not None and identity_quality > gzip_quality):
        return inf
    return 0 if identity_quality == 0 else MIN_COMPRESSED_SIZE


@cached_header
def content_type(header: str | None) -> tuple[str, str]:
    """The media type and the charset (utf-8 when omitted) of a Content-Type header, in lower
    case.
    """
    message = Message()
    message["content-type"] = header or "application/octet-stream"
    return message.get_content_type(), str(message.get_param("charset", "utf-8")).lower()
