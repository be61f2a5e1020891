"""The codes with which websockets are closed, and what clients should do then.

Codes below 4000 are those of RFC 6455, section 7.4.1, and of the IANA registry it founded; 4400 and
above are those of graphql-transport-ws (PROTOCOL.md of npm's graphql-ws). To *resume* is to connect
again, with a growing delay, and to subscribe again with `after` set to the sequence of the last
event received; nothing is missed and nothing is delivered twice.

| Code | Sent when | May the client resume? |
|---|---|---|
| 1006 | never sent: the connection was lost: the network failed, the server was killed, or a client that had stopped reading was disconnected | yes |
| 1009 | a message was larger than the limit | no: it would be refused again |
| 1012 | the server restarts | yes |
| 1008 | there were too many pings, pongs or fragments without a message | no: the client has a bug |
| 1013 | the client read so slowly that one message waited for 30 seconds; there are too many connections; it took too long to identify the client; or the database was unavailable for too long | yes |
| 4400 | a message was not one of graphql-transport-ws | no: the client has a bug |
| 4401 | no one was signed in, or the session has ended or expired; an anonymous connection was open for a minute | with a new access token only |
| 4403 | the access token has expired, or the user's role has changed since the connection was opened | yes, with a valid token: the new role applies |
| 4406 | the client offered no subprotocol `graphql-transport-ws` | no: the client has a bug |
| 4408 | `connection_init` came too late, or a ping was not answered | yes |
| 4409 | `subscribe` repeated the id of an operation that was still running | no: the client has a bug |
| 4429 | `connection_init` came twice, or there were too many messages | no: the client has a bug |
| 4500 | the server failed while it identified the client or checked its session | later, not by itself |

npm's graphql-ws reconnects by itself after exactly the codes marked "yes". A handshake can also be
refused over HTTP: with 403 for a browser's unknown origin, with 503 and `Retry-After` when there
are too many connections or the server is stopping.
"""  # noqa: E501 - a table

from enum import IntEnum

REASON_BYTES = (
    123  # a close frame's payload is at most 125 bytes, two of which are the code (RFC 6455, 5.5)
)


class CloseCode(IntEnum):
    ABNORMAL_CLOSURE = 1006
    MESSAGE_TOO_BIG = 1009
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    SUBPROTOCOL_NOT_ACCEPTABLE = 4406
    TIMEOUT = 4408
    SUBSCRIBER_ALREADY_EXISTS = 4409
    TOO_MANY_REQUESTS = 4429
    INTERNAL_SERVER_ERROR = 4500


class CloseConnection(Exception):
    """Ends a websocket with this code and a reason of a few words."""

    def __init__(self, code: CloseCode, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason.encode()[:REASON_BYTES].decode(errors="ignore")


def unavailable() -> CloseConnection:
    """The close for a dependency of the operation or connection that is temporarily unavailable."""
    return CloseConnection(CloseCode.TRY_AGAIN_LATER, "Try again later")
