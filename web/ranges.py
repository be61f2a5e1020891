"""Conditional requests and requests for a part of a file (RFC 9110, sections 13 and 14)."""

import re
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.requests import Request

_RANGE = re.compile(r"bytes=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE)


@dataclass(frozen=True)
class BodyRange:
    """The part of the content that a response has, its status, and the headers that say so."""

    slice: slice
    status: HTTPStatus
    headers: dict[str, str] = field(default_factory=dict)


def requested_range(request: Request, etag: str, size: int) -> BodyRange | None:
    """The part of content of `size` bytes that a request asks for; None when the content has no
    such part.

    A request for several parts, or for a part of content that has changed meanwhile, gets the whole
    content, as the standard allows.
    """
    whole = BodyRange(slice(0, size), HTTPStatus.OK, {"Content-Length": str(size)})
    match = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if match is None or request.headers.get("if-range", etag) != etag:
        return whole
    first, last = match[1], match[2]
    if not first and not last:
        return whole
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return whole  # not a valid range, which is ignored
    if start >= end:
        return None
    headers = {
        "Content-Length": str(end - start),
        "Content-Range": f"bytes {start}-{end - 1}/{size}",
    }
    return BodyRange(slice(start, end), HTTPStatus.PARTIAL_CONTENT, headers)


def is_unchanged(request: Request, etag: str) -> bool:
    """Whether the client has this content already (If-None-Match)."""
    known_tags = request.headers.get("if-none-match", "").split(",")
    accepted_tags = (etag.removeprefix("W/"), "*")
    return any(tag.strip().removeprefix("W/") in accepted_tags for tag in known_tags)
