"""The attacks of `bin/pressure`, each in a process of its own: NAME PORT SECONDS FILE.

FILE is JSON with access tokens. Each attack goes on for some seconds over the loopback interface
and prints what the server did.
"""

import asyncio
import os
import socket
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import orjson
import uvloop
from websockets.frames import Frame, Opcode

HALF_REQUEST_COUNT = 1_100
ANONYMOUS_SOCKET_COUNT = 1_004
SOCKET_COUNT = 3_000
LOWEST_PRIORITY = 19
OFFERS_PATH = "/graphql?query=%7Boffers%7Bnodes%7Bname%20description%20features%7D%7D%7D"
LISTS_QUERY = "{%s}" % " ".join(  # noqa: UP031 - the text has many braces
    f'a{n}: node(id: "TICKET") {{ ... on Ticket {{ messages(last: 100) {{ nodes {{ body }} }} }} }}'
    for n in range(24)
)


@dataclass
class Target:
    """The server, for how long it is attacked, and what the attack may use."""

    port: int
    seconds: float
    tokens: Sequence[str]
    ticket: str

    def __post_init__(self) -> None:
        self.end = monotonic() + self.seconds

    @property
    def is_over(self) -> bool:
        return monotonic() >= self.end

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


Outcome = Counter[str]
Attack = Callable[[Target], Awaitable[Outcome]]


def request(path: str = "/graphql", *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]
    return "\r\n".join(lines).encode()


def handshake() -> bytes:
    return request(
        "/graphql",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: graphql-transport-ws",
    )


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=True)


def message(**content: object) -> bytes:
    return frame(Opcode.TEXT, orjson.dumps(content))


async def send_until_over(target: Target, first: Sequence[bytes], repeated: bytes) -> Outcome:
    """Send as fast as the server accepts, without reading; connect again when it closes. `first` is
    sent before, in packets of its own.
    """
    outcome: Outcome = Counter()
    sent = 0
    while not target.is_over:
        with socket.create_connection(("127.0.0.1", target.port)) as own:
            outcome["connections"] += 1
            for packet in first:
                own.sendall(packet)
                await asyncio.sleep(0.1)
            own.setblocking(False)
            offset = 0
            with suppress(OSError):
                while not target.is_over:
                    try:
                        written = own.send(memoryview(repeated)[offset:])
                    except BlockingIOError:
                        await asyncio.sleep(0.01)
                        continue
                    sent += written
                    offset = (offset + written) % len(repeated)
            outcome["closed by the server"] += not target.is_over
    outcome["MB sent"] = sent // 1_000_000
    return outcome


async def pipelined(target: Target) -> Outcome:
    return await send_until_over(target, [], request(OFFERS_PATH) * 500)


async def pings(target: Target) -> Outcome:
    first = [handshake(), message(type="connection_init")]
    return await send_until_over(target, first, frame(Opcode.PING, b"x" * 125) * 500)


async def fragments(target: Target) -> Outcome:
    first = [handshake(), message(type="connection_init"), frame(Opcode.TEXT, fin=False)]
    return await send_until_over(target, first, frame(Opcode.CONT, fin=False) * 10_000)


async def endless_header(target: Target) -> Outcome:
    return await send_until_over(target, [b"GET / HTTP/1.1\r\nHost: x\r\nA: "], b"x" * 65_536)


async def large_headers(target: Target) -> Outcome:
    """Requests with 10 MB of headers, one after the other."""
    outcome: Outcome = Counter()
    head = b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"A: 123456789\r\n" * 700_000 + b"\r\n"
    while not target.is_over:
        reader, writer = await target.connect()
        with suppress(OSError):
            writer.write(head)
            await writer.drain()
        outcome[await _status(reader)] += 1
        writer.close()
    return outcome


async def _status(reader: asyncio.StreamReader) -> str:
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(30):
            line = (await reader.readline()).decode("latin-1")
            return line.split(" ")[1] if line else "closed"
    return "closed"


async def half_requests(target: Target) -> Outcome:
    outcome: Outcome = Counter()
    connections = []
    for _ in range(HALF_REQUEST_COUNT):
        try:
            reader, writer = await target.connect()
        except OSError:
            outcome["refused"] += 1
            continue
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nA")
        connections.append((reader, writer))
    await asyncio.sleep(max(0.0, target.end - monotonic()))
    for reader, writer in connections:
        if reader.at_eof() or reader._buffer:  # type: ignore[attr-defined] # what has arrived
            outcome[await _status(reader)] += 1
        else:
            outcome["open"] += 1
        writer.transport.abort()
    return outcome


async def anonymous_sockets(target: Target) -> Outcome:
    return await _sockets(target, [None] * ANONYMOUS_SOCKET_COUNT)


async def sockets_at_once(target: Target) -> Outcome:
    return await _sockets(
        target, [target.tokens[n % len(target.tokens)] for n in range(SOCKET_COUNT)]
    )


async def expiring_sockets(target: Target) -> Outcome:
    """Sockets whose access token expires in the middle of the attack."""
    return await _sockets(target, target.tokens)


async def _sockets(target: Target, tokens: Sequence[str | None]) -> Outcome:
    """Open all sockets at once, keep them open, and count how they end."""
    results = await asyncio.gather(*(_socket(target, token) for token in tokens))
    return Counter(results)


async def _socket(target: Target, token: str | None) -> str:
    try:
        reader, writer = await target.connect()
    except OSError:
        return "refused"
    try:
        writer.write(handshake())
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head:
            return head.split(b" ")[1].decode()
        payload = {"authorization": f"Bearer {token}"} if token else {}
        writer.write(message(type="connection_init", payload=payload))
        async with asyncio.timeout(max(0.0, target.end - monotonic())):
            state = "not acknowledged"
            while True:
                first, size = await reader.readexactly(2)
                data = await reader.readexactly(size)
                if first == 0x88:
                    return f"closed {int.from_bytes(data[:2], 'big')}"
                state = "open"
    except TimeoutError:
        return state
    except (OSError, EOFError):
        return "closed"
    finally:
        writer.transport.abort()


async def large_responses(target: Target) -> Outcome:
    """24 lists of 100 messages with long texts, by one person over eight connections."""
    outcome: Outcome = Counter()
    body = orjson.dumps({"query": LISTS_QUERY.replace("TICKET", target.ticket)})
    head = (
        "POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {target.tokens[0]}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()

    async def request_lists() -> None:
        reader, writer = await target.connect()
        while not target.is_over:
            writer.write(head + body)
            response_head = await reader.readuntil(b"\r\n\r\n")
            size = int(response_head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            data = await reader.readexactly(size)
            code = "answered"
            if b'"code":"' in data[:2_000]:
                code = data.split(b'"code":"')[1].split(b'"')[0].decode()
            outcome[code] += 1
            sizes.append(size)
        writer.close()

    sizes: list[int] = []
    await asyncio.gather(*(request_lists() for _ in range(8)))
    outcome["MB received"] = sum(sizes) // 1_000_000
    return outcome


ATTACKS: dict[str, tuple[Attack, str]] = {
    "pipelined": (pipelined, "requests on one connection, no answer is read"),
    "pings": (pings, "websocket pings, no pong is read"),
    "fragments": (fragments, "empty fragments of a websocket message"),
    "endless-header": (endless_header, "a header without end"),
    "large-headers": (large_headers, "requests with 10 MB of headers"),
    "half-requests": (half_requests, f"{HALF_REQUEST_COUNT:,} half requests"),
    "anonymous-sockets": (anonymous_sockets, f"{ANONYMOUS_SOCKET_COUNT:,} anonymous sockets"),
    "expiring-sockets": (expiring_sockets, "sockets whose access token expires"),
    "sockets-at-once": (sockets_at_once, f"{SOCKET_COUNT:,} signed-in sockets at once"),
    "large-responses": (large_responses, "24 lists of 100 long messages at once"),
}


def main(arguments: Sequence[str]) -> None:
    """Run one attack. It has the lowest priority, because it represents other machines; customers
    who come back at once are no attack, and their machines are not slow.
    """
    name, port, seconds, file = arguments
    if name != "sockets-at-once":
        os.nice(LOWEST_PRIORITY)
    data: dict[str, Any] = orjson.loads(Path(file).read_bytes())
    target = Target(int(port), float(seconds), data["tokens"], data["ticket"])

    async def run() -> Outcome:
        return await ATTACKS[name][0](target)

    print(orjson.dumps(dict(uvloop.run(run()))).decode())


if __name__ == "__main__":
    main(sys.argv[1:])
