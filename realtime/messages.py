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
MAX_DEPTH = 64  # levels of JSON, because the code that walks variables is recursive
MAX_ID_LENGTH = 128  # the longest operation id, because ids are kept as long as their operation

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
        raise _invalid_message("binary frames are not understood")
    if len(text.encode()) > max_bytes:
        raise CloseConnection(CloseCode.MESSAGE_TOO_BIG, f"Message larger than {max_bytes} bytes")
    return _parse_message(_parse_object(text))


def _parse_object(text: str) -> JSON:
    try:
        value = decode_json(text, depth=MAX_DEPTH)
    except RequestError as error:
        raise _invalid_message(str(error)) from None
    if not isinstance(value, dict):
        raise _invalid_message("not a JSON object")
    return value


def _parse_message(frame: JSON) -> Message:
    match frame.get("type"):
        case "subscribe":
            return _parse_subscribe(frame)
        case "complete":
            return Complete(_operation_id(frame))
        case "ping":
            return Ping(_optional_object(frame, "payload"))
        case "pong":
            return Pong(_optional_object(frame, "payload"))
        case "connection_init":
            return ConnectionInit(_optional_object(frame, "payload"))
    raise _invalid_message("unknown type")


def _parse_subscribe(frame: JSON) -> Subscribe:
    try:
        params = Params.from_json(frame.get("payload"))
    except RequestError as error:
        raise _invalid_message(str(error)) from None
    if params.query is None and not params.has_document_id:
        raise _invalid_message("subscribe needs a query")
    return Subscribe(_operation_id(frame), params)


def _operation_id(frame: JSON) -> str:
    operation_id = frame.get("id")
    if not isinstance(operation_id, str) or not operation_id:
        raise _invalid_message("id must be a string that is not empty")
    if len(operation_id) > MAX_ID_LENGTH:
        raise _invalid_message(f"id longer than {MAX_ID_LENGTH} characters")
    return operation_id


def _optional_object(message: JSON, name: str) -> JSON | None:
    value = message.get(name)
    if value is None or isinstance(value, dict):
        return value
    raise _invalid_message(f"{name} must be an object")


def _invalid_message(problem: str) -> CloseConnection:
    return CloseConnection(CloseCode.BAD_REQUEST, f"Invalid message: {problem}")


ACK = '{"type":"connection_ack"}'
PING = '{"type":"ping"}'


def pong(payload: JSON | None) -> str:
    """The answer to a ping, with the payload of the ping."""
    return _encode({"type": "pong"} if payload is None else {"type": "pong", "payload": payload})


def next_message(operation_id: str, result: JSON) -> str:
    """One result of an operation. Raises TypeError or ValueError when JSON can't represent it."""
    return _encode({"id": operation_id, "type": "next", "payload": result})


def next_message_bytes(operation_id: str, payload: bytes) -> bytes:
    """The same for a result that has been encoded as JSON."""
    return next_message_start(operation_id) + payload + b"}"


def next_message_start(operation_id: str) -> bytes:
    """What comes before the encoded result in such a message. A brace comes after it."""
    return b'{"id":' + encode_json(operation_id) + b',"type":"next","payload":'


def error(operation_id: str, errors: list[JSON]) -> str:
    """The last message of an operation that could not be executed: at least one GraphQL error."""
    return _encode({"id": operation_id, "type": "error", "payload": errors})


def complete(operation_id: str) -> str:
    """The last message of an operation that ended by itself."""
    return _encode({"id": operation_id, "type": "complete"})


def _encode(message: JSON) -> str:
    return encode_json(message).decode()
