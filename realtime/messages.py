"""The words of graphql-transport-ws: what a client may say, and what we answer.

Source: PROTOCOL.md of npm's graphql-ws. `read` is the only door: whatever arrives, it gives a message or raises
`Refused` with a close code, so nothing behind it meets a value of an unexpected shape.
"""

from dataclasses import dataclass
from typing import Any

from engine import Params, RequestError, decode_json, encode_json

SUBPROTOCOL = "graphql-transport-ws"
DEPTH = 64  # levels of JSON: what walks variables recurses
ID_CHARACTERS = 128  # the longest operation id: ids are held as long as their operation
REASON_BYTES = 123  # a close frame's payload is at most 125 bytes, two of which are the code (RFC 6455, 5.5)

JSON = dict[str, Any]


class Refused(Exception):
    """Ends a socket with a close code (4401 nobody is signed in, 4403 not allowed, ...) and a reason of a few words."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason.encode()[:REASON_BYTES].decode(errors="ignore")


@dataclass(frozen=True, slots=True)
class ConnectionInit:
    payload: JSON | None


@dataclass(frozen=True, slots=True)
class Ping:
    payload: JSON | None


@dataclass(frozen=True, slots=True)
class Pong:
    payload: JSON | None


@dataclass(frozen=True, slots=True)
class Subscribe:
    id: str
    params: Params


@dataclass(frozen=True, slots=True)
class Complete:
    id: str


Message = ConnectionInit | Ping | Pong | Subscribe | Complete


def read(text: str | None, limit: int) -> Message:
    """One text frame as a message; None stands for a binary frame, `limit` counts bytes.

    Raises Refused: 1009 for a frame past the limit, 4400 for anything the protocol doesn't know.
    """
    if text is None:
        raise _invalid("binary frames are not understood")
    if len(text.encode()) > limit:
        raise Refused(1009, f"Message larger than {limit} bytes")
    return _message(_object(text))


def _object(text: str) -> JSON:
    try:
        value = decode_json(text, depth=DEPTH)
    except RequestError as refusal:
        raise _invalid(str(refusal)) from None
    if not isinstance(value, dict):
        raise _invalid("not a JSON object")
    return value


def _message(frame: JSON) -> Message:
    match frame.get("type"):
        case "subscribe":
            return _subscribe(frame)
        case "complete":
            return Complete(_id(frame))
        case "ping":
            return Ping(_mapping(frame, "payload"))
        case "pong":
            return Pong(_mapping(frame, "payload"))
        case "connection_init":
            return ConnectionInit(_mapping(frame, "payload"))
    raise _invalid("unknown type")


def _subscribe(frame: JSON) -> Subscribe:
    try:
        params = Params.from_json(frame.get("payload"))
    except RequestError as refusal:
        raise _invalid(str(refusal)) from None
    if params.query is None and not params.has_document_id:
        raise _invalid("subscribe needs a query")
    return Subscribe(_id(frame), params)


def _id(frame: JSON) -> str:
    key = frame.get("id")
    if not isinstance(key, str) or not key:
        raise _invalid("id must be a string that is not empty")
    if len(key) > ID_CHARACTERS:
        raise _invalid(f"id longer than {ID_CHARACTERS} characters")
    return key


def _mapping(holder: JSON, name: str) -> JSON | None:
    value = holder.get(name)
    if value is None or isinstance(value, dict):
        return value
    raise _invalid(f"{name} must be an object")


def _invalid(why: str) -> Refused:
    return Refused(4400, f"Invalid message: {why}")


ACK = '{"type":"connection_ack"}'
PING = '{"type":"ping"}'


def pong(payload: JSON | None) -> str:
    """The answer to a ping, with the ping's own payload."""
    return _write({"type": "pong"} if payload is None else {"type": "pong", "payload": payload})


def next_(key: str, result: JSON) -> str:
    """One result of an operation. Raises TypeError or ValueError when it holds what JSON can't."""
    return _write({"id": key, "type": "next", "payload": result})


def next_of(key: str, payload: bytes) -> bytes:
    """The same, around a result that is JSON already."""
    return b'{"id":' + encode_json(key) + b',"type":"next","payload":' + payload + b"}"


def error(key: str, errors: list[JSON]) -> str:
    """An operation's last message when it could not be run: GraphQL errors, at least one."""
    return _write({"id": key, "type": "error", "payload": errors})


def complete(key: str) -> str:
    """An operation's last message when it ended by itself."""
    return _write({"id": key, "type": "complete"})


def _write(message: JSON) -> str:
    return encode_json(message).decode()
