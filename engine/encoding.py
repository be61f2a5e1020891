"""JSON: decoding is strict, encoding never fails on what a resolver returned."""

from __future__ import annotations

import json
from typing import Any

import orjson
from strawberry.schema.types.base_scalars import isoformat

from engine.errors import request_error


def decode_json(text: bytes | str, *, depth: int) -> Any:
    """Decode JSON in UTF-8 that is nested at most `depth` deep. Raises `RequestError` for anything
    else, NaN and infinities included.
    """
    try:
        value = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeError):
        raise request_error("The request is not valid JSON in UTF-8.") from None
    if _is_deeper_than(depth, value, text):
        raise request_error("The JSON is nested too deeply.", limit=depth)
    return value


def _is_deeper_than(depth: int, value: Any, text: bytes | str) -> bool:
    # Counting brackets runs at the speed of C and decides nearly every request. Only many brackets
    # require a traversal.
    brackets = (
        text.count("{") + text.count("[")
        if isinstance(text, str)
        else text.count(b"{") + text.count(b"[")
    )
    if brackets <= depth:
        return False
    level = [value]
    for _ in range(depth + 1):
        level = [child for parent in level for child in _child_containers(parent)]
        if not level:
            return False
    return True


def _child_containers(value: Any) -> list[Any]:
    children = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    )
    return [child for child in children if isinstance(child, dict | list)]


def encode_json(value: Any) -> bytes:
    """Encode a response as JSON, with dates and times in ISO 8601.

    Integers beyond 64 bits and lone surrogates, which orjson rejects, are encoded by the standard
    library.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, allow_nan=False, separators=(",", ":"), default=isoformat).encode()
