"""The limits of one HTTP connection and of many half-open ones, and the responses that the
standards define for them.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.connection_limits import ConnectionLimits, ConnectionRegistry, LimitLog
from tests.realtime.http_fixtures import LONG_TIMEOUTS, HttpServer, http_server, read_all
from tests.realtime.socket_fixtures import wait_until
from tests.waiting import MAX_WAIT

SHORT_TIMEOUTS = replace(
    LONG_TIMEOUTS, head_seconds=0.2, body_seconds=0.2, body_rate=10**9, unread_seconds=0.2
)
CHUNKED = b"POST /chunked HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
CLOSE = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def get(path: str, *headers: bytes) -> bytes:
    return b"\r\n".join([b"GET %b HTTP/1.1" % path.encode(), b"Host: x", *headers, b"", b""])


def protocols(server: HttpServer) -> list[Any]:
    return list(server.uvicorn.server_state.connections)


def answered(response: bytes) -> list[str]:
    return re.findall(r"<(\S+) ", response.decode())


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with http_server() as running:
        yield running


@pytest.fixture(scope="module")
def short_timeout_server() -> Iterator[HttpServer]:
    with http_server(SHORT_TIMEOUTS) as running:
        yield running


# Headers


async def test_headers_do_not_wait_for_a_body_that_comes_later() -> None:
    with http_server() as server:
        async with server.connect() as (reader, writer):
            writer.write(get("/later/0"))
            async with asyncio.timeout(MAX_WAIT):
                headers = await reader.readuntil(b"\r\n\r\n")
                server.release()
                body = await reader.readuntil(b">")
    assert headers.startswith(b"HTTP/1.1 200 ")
    assert answered(body) == ["/later/0"]


async def test_the_response_to_head_has_headers_only(server: HttpServer) -> None:
    request = b"HEAD /head/0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    response = await server.exchange(request)
    assert response.startswith(b"HTTP/1.1 200 ")
    assert response.endswith(b"\r\n\r\n")


# Queued requests and unread responses


async def test_reading_pauses_while_responses_are_unread(server: HttpServer) -> None:
    before = len(server.started)
    async with server.connect() as (_reader, writer):
        writer.write(b"".join(get(f"/big/{n}") for n in range(50_000)))
        await wait_until(lambda: any(each.flow.write_paused for each in protocols(server)))
        (protocol,) = protocols(server)
        assert protocol.flow.read_paused
        assert len(protocol.pipeline) < 200  # one slice above the limit
        assert len(protocol._unparsed) <= 262_144  # what was read at once
        assert protocol.transport.get_write_buffer_size() < 200_000
        # Only those were begun whose answers fit into the buffers of the kernel and the client.
        assert len(server.started) - before < 1_000


async def test_the_number_of_queued_requests_is_limited(server: HttpServer) -> None:
    async with server.connect() as (reader, writer):
        writer.write(get("/slow/0") + b"".join(get(f"/queued/{n}") for n in range(5_000)) + CLOSE)
        await wait_until(lambda: "/slow/0" in server.started)
        assert max(len(protocol.pipeline) for protocol in protocols(server)) < 200
        server.release()
        paths = answered(await read_all(reader))
    assert paths == ["/slow/0", *(f"/queued/{n}" for n in range(5_000)), "/last"]


async def test_a_client_that_reads_nothing_is_disconnected(
    short_timeout_server: HttpServer,
) -> None:
    async with short_timeout_server.connect() as (_reader, writer):
        writer.write(b"".join(get(f"/big/{n}") for n in range(1_000)))
        await wait_until(lambda: short_timeout_server.registry.connections == 1)
        await wait_until(lambda: short_timeout_server.registry.connections == 0)


REQUESTS = [
    get("/a", b"Accept: x"),
    b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789",
    CHUNKED + b"0\r\nTrailer: x\r\n\r\n",
    b"\r\n" + get("/c" + "x" * 500, b"Cookie: " + b"y" * 9_000),
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    requests=st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=40),
    sizes=st.lists(st.integers(1, 20_000), min_size=1, max_size=10),
)
async def test_requests_are_parsed_however_they_are_split(
    server: HttpServer, requests: list[bytes], sizes: list[int]
) -> None:
    data = b"".join([*requests, CLOSE])
    parts: list[bytes] = []
    for number in range(len(data)):
        size = sizes[number % len(sizes)]
        parts, data = [*parts, data[:size]], data[size:]
        if not data:
            break
    whole_response = "".join((await server.exchange(b"".join(parts))).decode().split("\r\n\r\n"))
    divided_response = "".join((await server.exchange(*parts)).decode().split("\r\n\r\n"))
    assert re.findall("<.*?>", divided_response) == re.findall("<.*?>", whole_response)
    assert len(re.findall("<.*?>", divided_response)) == len(requests) + 1


# Headers


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 10_000_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: x\r\n" * 1_000_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: x\r\n" * 100 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 32_768 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A" * 100_000,
        CHUNKED + b"0\r\n" + b"A: x\r\n" * 100_000,
        CHUNKED + b"0\r\nA: " + b"x" * 100_000,
        CHUNKED + b"3;" + b"x" * 100_000,
    ],
    ids=[
        "long header",
        "many headers",
        "one header too many",
        "one byte too many",
        "name without end",
        "many trailers",
        "trailer without end",
        "extension without end",
    ],
)
async def test_headers_that_are_too_large_are_431(server: HttpServer, head: bytes) -> None:
    before = len(server.started)
    response = await server.exchange(head)
    assert response.startswith(b"HTTP/1.1 431 ")
    assert b"\r\nconnection: close\r\n" in response
    assert set(server.started[before:]) <= {"/chunked"}


async def test_a_url_that_is_too_long_is_414(server: HttpServer) -> None:
    response = await server.exchange(b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\n")
    assert response.startswith(b"HTTP/1.1 414 ")


async def test_headers_up_to_the_limit_are_accepted(server: HttpServer) -> None:
    long_header = get("/long", b"A: " + b"x" * 32_000)
    many_headers = get("/many", *(b"A%d: x" % n for n in range(99)))
    assert answered(await server.exchange(long_header + many_headers + CLOSE)) == [
        "/long",
        "/many",
        "/last",
    ]


async def test_trailers_are_ignored(server: HttpServer) -> None:
    trailers = b"0\r\nX-Forwarded-For: 10.0.0.1\r\nAuthorization: x\r\n\r\n"
    response = (await server.exchange(CHUNKED + trailers + CLOSE)).decode()
    assert "</chunked host,transfer-encoding 3>" in response
    assert "</last host,connection 0>" in response


async def test_bytes_that_are_not_http_are_400(server: HttpServer) -> None:
    assert (await server.exchange(b"\x16\x03\x01\x02\x00")).startswith(b"HTTP/1.1 400 ")


async def test_previous_requests_are_answered_before_an_invalid_one_ends_the_connection(
    server: HttpServer,
) -> None:
    response = await server.exchange(get("/1") + get("/2") + b"invalid\r\n\r\n")
    assert answered(response) == ["/1", "/2"]


# Time


@pytest.mark.parametrize(
    "part",
    [b"G", b"GET / HTTP/1.1\r\nHost: x\r\nA: ", CHUNKED, CHUNKED + b"0\r\nA: x\r\n"],
    ids=["method", "headers", "body", "trailers"],
)
async def test_a_request_without_end_is_408(short_timeout_server: HttpServer, part: bytes) -> None:
    before = len(short_timeout_server.disconnected)
    response = await short_timeout_server.exchange(part)
    assert response.startswith(b"HTTP/1.1 408 ")
    assert b"\r\nconnection: close\r\n" in response
    expected = ["/chunked"] if part.startswith(CHUNKED) else []
    await wait_until(lambda: short_timeout_server.disconnected[before:] == expected)


@pytest.mark.parametrize("part", [b"", b"\r\n\r\n"], ids=["nothing", "empty lines"])
async def test_a_connection_without_a_request_is_closed(
    short_timeout_server: HttpServer, part: bytes
) -> None:
    assert await short_timeout_server.exchange(part) == b""


async def test_an_idle_connection_is_closed() -> None:
    with http_server(replace(LONG_TIMEOUTS, idle_seconds=0.2)) as server:
        assert answered(await server.exchange(get("/1"))) == ["/1"]


# Many connections


@asynccontextmanager
async def half_open(server: HttpServer, number: int) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Connections with half a request each, in their order."""
    async with AsyncExitStack() as stack:
        readers = []
        for count in range(1, number + 1):
            reader, writer = await stack.enter_async_context(server.connect())
            writer.write(b"GET / HTTP/1.1\r\nHost")
            readers.append(reader)
            await wait_until(lambda count=count: server.registry.half_open == count)  # type: ignore[misc]
        yield readers


@pytest.mark.parametrize(
    ("limits", "trusted_address"),
    [
        (replace(LONG_TIMEOUTS, half_open=3), "127.0.0.1"),
        (replace(LONG_TIMEOUTS, half_open_per_network=3), "192.0.2.1"),
        (replace(LONG_TIMEOUTS, connections_per_network=3), "192.0.2.1"),
        (replace(LONG_TIMEOUTS, connections=3), "127.0.0.1"),
    ],
    ids=["half open", "half open per network", "connections per network", "connections"],
)
async def test_the_oldest_half_open_connection_is_closed_first(
    limits: ConnectionLimits, trusted_address: str
) -> None:
    with http_server(limits, forwarded_allow_ips=trusted_address) as server:
        async with half_open(server, 3) as readers:
            assert answered(await server.exchange(CLOSE)) == ["/last"]
            assert (await read_all(readers[0])).startswith(b"HTTP/1.1 408 ")
            assert not readers[2].at_eof()


async def test_a_connection_above_the_limit_is_503() -> None:
    with http_server(replace(LONG_TIMEOUTS, connections=2)) as server:
        async with server.connect() as (_, first), server.connect() as (_, second):
            first.write(get("/slow/1"))
            second.write(get("/slow/2"))
            await wait_until(lambda: len(server.started) == 2)
            response = await server.exchange()
    assert response.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: 5\r\n" in response


async def test_connections_are_counted_until_they_end(server: HttpServer) -> None:
    await server.exchange(CLOSE)
    await wait_until(lambda: server.registry.connections == server.registry.half_open == 0)


def handshake(path: str) -> bytes:
    return get(
        path,
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    )


PING = b"\x89\x80\0\0\0\0"  # which is answered, not given to the application
TEXT = b"\x81\x80\0\0\0\0"


async def test_a_request_goes_before_the_handshakes_that_wait(server: HttpServer) -> None:
    """Thousands of websockets are opened at once after a restart; nobody else waits for them."""
    before = len(server.started)
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(server.connect()) for _ in range(50)]
        *sockets, (request_reader, request_writer) = connections
        await wait_until(lambda: server.registry.connections >= 50)
        with server.blocked():
            for number, (_, writer) in enumerate(sockets):
                writer.write(handshake(f"/socket/{number}"))
            sockets[0][1].transport.abort()  # gone before it is its turn
            request_writer.write(get("/request", b"Connection: close"))
        assert answered(await read_all(request_reader)) == ["/request"]
        for reader, writer in sockets[1:]:
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            writer.write(PING + TEXT)
            assert await reader.readexactly(3) == b"\x8a\0\x88"
    started = server.started[before:]
    assert started.index("/request") < 10
    assert {*started} - {"/socket/0"} == {"/request", *(f"/socket/{n}" for n in range(1, 49))}


@pytest.mark.parametrize("size", [1, 60, 120])
async def test_a_handshake_may_come_in_parts(server: HttpServer, size: int) -> None:
    request = handshake("/parts")
    async with server.connect() as (reader, writer):
        writer.write(request[:size])
        await wait_until(lambda: any(getattr(each, "_receiving", 0) for each in protocols(server)))
        writer.write(request[size:])
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")


async def test_half_a_handshake_is_408(short_timeout_server: HttpServer) -> None:
    response = await short_timeout_server.exchange(handshake("/half")[:-2])
    assert response.startswith(b"HTTP/1.1 408 ")


class Waiting:
    """A half-open connection."""

    def __init__(self, registry: ConnectionRegistry, peer: str | None) -> None:
        self.network = registry.open(peer)
        self.waits = True
        registry.add_half_open(self)

    def give_up_waiting(self) -> None:
        self.waits = False


def test_the_network_with_the_most_half_open_connections_loses_one() -> None:
    registry = ConnectionRegistry(ConnectionLimits(half_open=6, half_open_seconds=1e-9))
    customer = Waiting(registry, "192.0.2.1")
    attackers = [Waiting(registry, f"2001:db8:1:{n}::1") for n in range(20)]  # one /48
    assert customer.waits
    assert [each.waits for each in attackers] == [False] * 15 + [True] * 5
    assert registry.half_open == 6


def test_new_half_open_connections_do_not_give_way() -> None:
    registry = ConnectionRegistry(ConnectionLimits(half_open=2, half_open_per_network=2))
    many = [Waiting(registry, "192.0.2.1") for _ in range(20)]
    assert all(each.waits for each in many)
    assert registry.half_open == 20


def test_a_limit_is_logged_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    log = LimitLog()
    with structlog.testing.capture_logs() as lines:
        for _ in range(1_000):
            log.record("half_open")
        log.record("headers")
        monkeypatch.setattr("realtime.connection_limits.LOG_INTERVAL", 0.0)
        log.record("half_open")
    assert [(line["limit"], line["times"]) for line in lines] == [
        ("half_open", 1),
        ("headers", 1),
        ("half_open", 1_000),
    ]
