"""Neither a reader of stderr that is stuck nor strangers who cause many log lines disturb the
server.
"""

import asyncio
import fcntl
import os
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.story.server_fixtures import NO_TLS, Client, Server
from tests.waiting import MAX_WAIT

ATTEMPTS = 25  # of each kind
PIPE_BYTES = 4_096


# What is logged doesn't depend on the database.
pytestmark = pytest.mark.parametrize("catalogue_url", ["sqlite"], indirect=True)


@pytest.fixture
def full_pipe(tmp_path: Path) -> Iterator[Path]:
    """A named pipe that can't take another byte, because nobody reads it."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe, b"." * PIPE_BYTES)
    yield path
    os.close(pipe)


def test_the_server_answers_while_nobody_reads_its_log(
    full_pipe: Path, catalogue_url: str, tmp_path: Path
) -> None:
    server = Server(catalogue_url, tmp_path, stderr=full_pipe)
    server.start()  # which logs server.listening
    try:
        for _ in range(3):  # each of them is logged
            with socket.create_connection(("127.0.0.1", server.port)) as stranger:
                stranger.sendall(b"NONSENSE\r\n\r\n")
                assert stranger.recv(100).startswith(b"HTTP/1.1 400 ")
            assert httpx.get(f"{server.url}/readyz", verify=NO_TLS, timeout=MAX_WAIT).is_success
    finally:
        server.stop()
    assert server.process
    assert server.process.poll() is not None


async def test_strangers_cannot_fill_the_log(catalogue_url: str, tmp_path: Path) -> None:
    """Their invalid requests, handshakes, frames and guesses are counted."""
    server = Server(catalogue_url, tmp_path)
    await asyncio.to_thread(server.start)
    try:
        await send_nonsense(server)
        for _ in range(ATTEMPTS):
            await Client(server).execute(
                'mutation { sessionSignIn(input: {email: "x@leak.example", password: "wrong"}) '
                "{ userErrors { code } } }"
            )
    finally:
        await asyncio.to_thread(server.stop)
    events = Counter(orjson.loads(line)["event"] for line in server.log.splitlines())
    # Each kind is logged once a minute at most; a busy machine takes minutes for 200 attempts.
    assert 1 <= events["attempt.throttled"] < ATTEMPTS / 3
    assert events["log.repeated"] >= 2
    assert events.total() < 3 * ATTEMPTS, events


async def send_nonsense(server: Server) -> None:
    """Invalid requests, handshakes and frames of callers who have not signed in."""
    url = server.url.replace("http:", "ws:") + "/graphql"
    upgrade = b"GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: "
    for _ in range(ATTEMPTS):
        for request in (
            b"NONSENSE\r\n\r\n",
            upgrade + b"nonsense\r\n\r\n",
            upgrade + b"websocket\r\n\r\n",
            upgrade + b"websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(request)
            await reader.read(100)
            writer.close()
        for frame in (b"\x81\x82\x00\x00\x00\x00\xff\xff", b"\xff\x00", b"\x81\x05hello"):
            async with connect(url, subprotocols=["graphql-transport-ws"]) as websocket:  # type: ignore[list-item]
                websocket.transport.write(frame)
                try:
                    await websocket.recv()
                except ConnectionClosed:
                    continue
