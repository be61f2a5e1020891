"""Reading a GraphQL request from HTTP, strictly: every fault has its status."""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from engine.accept import JSON, content_type
from engine.limits import BAD_USER_INPUT, Limits, Params, Rejected, refuse
from engine.wire import load

MAX_PARAMETERS = 20


class Refused(Exception):
    """The request is answered with this HTTP status and this one formatted error; nothing was executed."""

    def __init__(self, status: int, error: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        super().__init__(error["message"])
        self.status, self.error, self.headers = status, error, headers or {}


def refused(status: int, message: str, **headers: str) -> Refused:
    return Refused(status, {"message": message, "extensions": {"code": BAD_USER_INPUT}}, headers)


async def read(request: Request, limits: Limits) -> Params:
    """The parameters of a GET or POST request. Raises `Refused` with the HTTP status of what is wrong."""
    try:
        payload = _query(request, limits) if request.method == "GET" else await _body(request, limits)
        params = Params.of(payload)
        if not params.query:
            raise refuse("The parameter 'query' is missing.")
    except Rejected as error:
        raise Refused(400, error.errors[0]) from None
    return params


def _query(request: Request, limits: Limits) -> dict[str, Any]:
    raw = request.scope.get("query_string", b"")
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise refuse("The query string is not well-formed UTF-8, or holds too many parameters.") from None
    if repeated := [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]:
        raise refuse(f"The parameter '{repeated[0]}' is given more than once.")
    payload: dict[str, Any] = dict(pairs)
    for name in ("variables", "extensions"):
        if name in payload:
            payload[name] = load(payload[name], depth=limits.json_depth)
    return payload


async def _body(request: Request, limits: Limits) -> Any:
    media_type, charset = content_type(request.headers.get("content-type"))
    if media_type != JSON:
        raise refused(415, f"Send the request as {JSON}.", Accept=JSON)
    if charset not in {"utf-8", "utf8"}:
        raise refused(415, "Send the request in UTF-8.")
    if request.headers.get("content-encoding", "identity").lower() not in {"", "identity"}:
        raise refused(415, "Send the request without a content encoding.", **{"Accept-Encoding": "identity"})
    return load(await _bytes(request, limits.body_bytes), depth=limits.json_depth)


async def _bytes(request: Request, limit: int) -> bytes:
    body = bytearray()
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and len(declared) < 20 and int(declared) > limit:
        raise refused(413, f"The request is larger than {limit} bytes.")
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise refused(413, f"The request is larger than {limit} bytes.")
    return bytes(body)
