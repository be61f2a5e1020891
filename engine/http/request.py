"""Reading a GraphQL request from HTTP, strictly: every fault has its status."""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from engine.documents.limits import BAD_USER_INPUT, Limits, Params, Rejected, refuse
from engine.encoding import load
from engine.http.headers import JSON, content_type

MAX_PARAMETERS = 20


class Refused(Exception):
    """The request is answered with this HTTP status and this one formatted error; nothing was executed."""

    def __init__(self, status: int, error: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        super().__init__(error["message"])
        self.status, self.error, self.headers = status, error, headers or {}


def refused(status: int, message: str, **headers: str) -> Refused:
    return Refused(status, {"message": message, "extensions": {"code": BAD_USER_INPUT}}, headers)


class Call:
    """One HTTP request: what Starlette's Request is, at a tenth of the time."""

    __slots__ = ("_headers", "receive", "scope")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope, self.receive = scope, receive
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        if len(self._headers) < len(scope["headers"]):
            self._headers = _joined(scope["headers"])

    def header(self, name: bytes) -> str | None:
        """A header's value by its name in lower case; of one sent several times, all joined by commas."""
        value = self._headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def method(self) -> str:
        return str(self.scope["method"])


def _joined(pairs: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    values: dict[bytes, list[bytes]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: b", ".join(given) for name, given in values.items()}


async def read(call: Call, limits: Limits) -> Params:
    """The parameters of a GET or POST request. Raises `Refused` with the HTTP status of what is wrong."""
    try:
        params = Params.of(_query(call, limits) if call.method == "GET" else await _body(call, limits))
        if not params.query and not params.names_document:
            raise refuse("The parameter 'query' is missing.")
    except Rejected as error:
        raise Refused(400, error.errors[0]) from None
    return params


def _query(call: Call, limits: Limits) -> dict[str, Any]:
    raw = call.scope.get("query_string", b"")
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


async def _body(call: Call, limits: Limits) -> Any:
    media_type, charset = content_type(call.header(b"content-type"))
    if media_type != JSON:
        raise refused(415, f"Send the request as {JSON}.", Accept=JSON)
    if charset not in {"utf-8", "utf8"}:
        raise refused(415, "Send the request in UTF-8.")
    if (call.header(b"content-encoding") or "identity").lower() != "identity":
        raise refused(415, "Send the request without a content encoding.", **{"Accept-Encoding": "identity"})
    return load(await _bytes(call, limits.body_bytes), depth=limits.json_depth)


async def _bytes(call: Call, limit: int) -> bytes:
    declared = call.header(b"content-length") or ""
    if declared.isdecimal() and len(declared) < 20 and int(declared) > limit:
        raise refused(413, f"The request is larger than {limit} bytes.")
    body, more = await _chunk(call)
    if more:  # seldom: most bodies are one chunk
        gathered = bytearray(body)
        while more and len(gathered) <= limit:
            body, more = await _chunk(call)
            gathered += body
        body = bytes(gathered)
    if len(body) > limit:
        raise refused(413, f"The request is larger than {limit} bytes.")
    return body


async def _chunk(call: Call) -> tuple[bytes, bool]:
    message = await call.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)
