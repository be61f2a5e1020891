"""JSON in and out: strict about what comes in, never failing on what goes out."""

from __future__ import annotations

import json
from typing import Any

import orjson
from strawberry.schema.types.base_scalars import isoformat

from engine.documents.limits import refuse


def load(text: bytes | str, *, depth: int) -> Any:
    """Decode UTF-8 JSON nested at most `depth` deep. Raises `Rejected` for anything else, NaN and infinities included."""
    try:
        value = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeError):
        raise refuse("The request is not valid JSON in UTF-8.") from None
    if _deeper_than(depth, value, text):
        raise refuse("The JSON is nested too deeply.", limit=depth)
    return value


def _deeper_than(depth: int, value: Any, text: bytes | str) -> bool:
    # Counting brackets runs at C speed and settles nearly every request; only many brackets call for the walk.
    brackets = text.count("{") + text.count("[") if isinstance(text, str) else text.count(b"{") + text.count(b"[")
    if brackets <= depth:
        return False
    level = [value]
    for _ in range(depth + 1):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: Any) -> list[Any]:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [child for child in inside if isinstance(child, dict | list)]


def dump(value: Any) -> bytes:
    """Encode a response as JSON, dates and moments in ISO 8601. Integers past 64 bits and lone surrogates, which orjson
    refuses, are kept."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, allow_nan=False, separators=(",", ":"), default=isoformat).encode()
