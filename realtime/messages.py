"""The messages of graphql-transport-ws: parsing what a client sends, and encoding what the server
answers.

Source: PROTOCOL.md of npm's graphql-ws. Everything a client sends goes through `parse`, which
returns a message or raises CloseConnection, so the code behind it never meets a value of an
unexpected type.
"""

from dataclasses import dataclass
from typing import Any

from engine import Params, RequestError, decode_json, encode_json
from realtime.close_codes import CloseCode, CloseConnection

SUBPROTOCOL = "graphql-transport-ws"
DEPTH = 64  # levels of JSON, because the code that walks variables is recursive
ID_CHARACTERS = 128  # the longest operation id, because ids are kept as long as their operation

JSON = dict[str, Any]


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


def parse(text: str | None, max_bytes: int) -> Message:
    """The message in a text frame; `text` is None for a binary frame.

    Raises CloseConnection: MESSAGE_TOO_BIG for a frame above `max_bytes`, BAD_REQUEST for anything
    the protocol doesn't define.
    """
    if text is None:
        raise _invalid("binary frames are not understood")
    if len(text.encode()) > max_bytes:
        raise CloseConnection(CloseCode.MESSAGE_TOO_BIG, f"Message larger than {max_bytes} bytes")
    return _message(_object(text))


def _object(text: str) -> JSON:
    try:
        value = decode_json(text, depth=DEPTH)
    except RequestError as error:
        raise _invalid(str(error)) from None
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
    except RequestError as error:
        raise _invalid(str(error)) from None
    if params.query is None and not params.has_document_id:
        raise _invalid("subscribe needs a query")
    return Subscribe(_id(frame), params)


def _id(frame: JSON) -> str:
    operation_id = frame.get("id")
    if not isinstance(operation_id, str) or not operation_id:
        raise _invalid("id must be a string that is not empty")
    if len(operation_id) > ID_CHARACTERS:
        raise _invalid(f"id longer than {ID_CHARACTERS} characters")
    return operation_id


def _mapping(holder: JSON, name: str) -> JSON | None:
    value = holder.get(name)
    if value is None or isinstance(value, dict):
        return value
    raise _invalid(f"{name} must be an object")


def _invalid(problem: str) -> CloseConnection:
    return CloseConnection(CloseCode.BAD_REQUEST, f"Invalid message: {problem}")


ACK = '{"type":"connection_ack"}'
PING = '{"type":"ping"}'


def pong(payload: JSON | None) -> str:
    """The answer to a ping, with the payload of the ping."""
    return _encode({"type": "pong"} if payload is None else {"type": "pong", "payload": payload})


def next_(operation_id: str, result: JSON) -> str:
    """One result of an operation. Raises TypeError or ValueError when JSON can't represent it."""
    return _encode({"id": operation_id, "type": "next", "payload": result})


def next_encoded(operation_id: str, payload: bytes) -> bytes:
    """The same for a result that has been encoded as JSON."""
    return b'{"id":' + encode_json(operation_id) + b',"type":"next","payload":' + payload + b"}"


def error(operation_id: str, errors: list[JSON]) -> str:
    """The last message of an operation that could not be executed: at least one GraphQL error."""
    return _encode({"id": operation_id, "type": "error", "payload": errors})


def complete(operation_id: str) -> str:
    """The last message of an operation that ended by itself."""
    return _encode({"id": operation_id, "type": "complete"})


def _encode(message: JSON) -> str:
    return encode_json(message).decode()
