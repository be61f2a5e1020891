"""What a client can rely on: the rules of graphql-transport-ws, the close codes and the limits of a
connection.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from realtime.client import SocketLimits
from realtime.close_codes import REASON_BYTES, CloseCode
from tests.realtime.socket_fixtures import (
    Server,
    receive,
    receive_pong,
    running_server,
    send,
    subscribe,
    wait_until,
    wait_until_closed,
)

LIMITS = SocketLimits(operations=3, messages_per_minute=60)
ORIGINS = frozenset({"https://www.camcha.example"})


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server(LIMITS, ORIGINS) as server:
        yield server


async def test_a_client_must_offer_graphql_transport_ws(server: Server) -> None:
    async with server.open_websocket(subprotocols=["graphql-ws", "graphql-transport-ws"]) as client:
        assert client.subprotocol == "graphql-transport-ws"
    for subprotocols in (None, [Subprotocol("graphql-ws")]):
        async with server.open_websocket(subprotocols=subprotocols) as client:
            assert await wait_until_closed(client) == (
                CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE,
                "Subprotocol not acceptable",
            )


async def test_a_browser_must_come_from_an_allowed_origin(server: Server) -> None:
    for origin in ("https://www.camcha.example", f"http://127.0.0.1:{server.port}"):
        async with server.open_websocket(origin=Origin(origin)):
            pass
    for origin in (
        "https://evil.example",
        "null",
        "http://[",
        "",
        "https://www.camcha.example.evil.example",
    ):
        with pytest.raises(InvalidStatus) as error:
            async with server.open_websocket(origin=Origin(origin)):
                pass
        assert error.value.response.status_code == 403


async def test_a_refused_handshake_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Anybody can cause one."""
    with running_server() as server, pytest.raises(InvalidStatus):
        async with server.open_websocket(origin=Origin("https://evil.example")):
            pass
    assert caplog.messages == []


async def test_the_application_gets_the_payload_of_connection_init(server: Server) -> None:
    async with server.open_websocket() as client:
        await send(client, type="connection_init", payload={"token": "abc"})
        assert await receive(client) == {"type": "connection_ack"}
    assert server.payloads[-1] == {"token": "abc"}


async def test_connection_init_has_a_time_limit() -> None:
    with running_server(SocketLimits(init_timeout=0.05)) as server:
        async with server.open_websocket() as client:
            assert await wait_until_closed(client) == (
                CloseCode.TIMEOUT,
                "Connection initialisation timeout",
            )


async def test_a_client_that_cannot_be_identified_in_time_may_try_again() -> None:
    with running_server(SocketLimits(identify_timeout=0.05)) as server:
        async with server.open_websocket() as client:
            await send(client, type="connection_init", payload={"on_connect": "hang"})
            assert await wait_until_closed(client) == (CloseCode.TRY_AGAIN_LATER, "Try again later")


async def test_the_time_in_which_the_server_cannot_read_does_not_count() -> None:
    with running_server(SocketLimits(init_timeout=0.5)) as server:
        async with server.open_websocket() as client:
            server.block(2.0)
            await send(client, type="connection_init")
            assert await receive(client) == {"type": "connection_ack"}


async def test_the_application_may_refuse_a_client(server: Server) -> None:
    async with server.open_websocket() as client:
        await send(client, type="connection_init", payload={"on_connect": "refuse"})
        assert await wait_until_closed(client) == (CloseCode.FORBIDDEN, "Forbidden")


async def test_an_error_while_connecting_is_logged_and_not_shown(server: Server) -> None:
    with capture_logs() as logs:
        async with server.open_websocket() as client:
            await send(client, type="connection_init", payload={"on_connect": "crash"})
            assert await wait_until_closed(client) == (
                CloseCode.INTERNAL_SERVER_ERROR,
                "Internal server error",
            )
    assert [log["event"] for log in logs] == ["websocket.connect_failed"]


async def test_connection_init_is_sent_once(server: Server) -> None:
    async with await server.connect() as client:
        await send(client, type="connection_init")
        assert await wait_until_closed(client) == (
            CloseCode.TOO_MANY_REQUESTS,
            "Too many initialisation requests",
        )


async def test_no_operation_starts_before_the_acknowledgement(server: Server) -> None:
    async with server.open_websocket() as client:
        await subscribe(client, "1", "{ hello }")
        assert await wait_until_closed(client) == (CloseCode.UNAUTHORIZED, "Unauthorized")


async def test_a_ping_is_answered_with_its_payload(server: Server) -> None:
    async with server.open_websocket() as client:
        await send(client, type="ping", payload={"early": [1, None, "é"]})
        assert await receive(client) == {"type": "pong", "payload": {"early": [1, None, "é"]}}
        await send(client, type="connection_init")
        assert await receive(client) == {"type": "connection_ack"}
        await send(client, type="ping")
        assert await receive(client) == {"type": "pong"}
        await send(client, type="pong", payload={"unsolicited": True})
        await send(client, type="ping", payload={})
        assert await receive(client) == {"type": "pong", "payload": {}}


async def test_a_query_with_variables_and_an_operation_name(server: Server) -> None:
    async with await server.connect() as client:
        query = "query A { hello } query B($n: String!) { hello(name: $n) }"
        await subscribe(client, "q", query, operationName="B", variables={"n": "Zoë"})
        answer = await receive(client)
        assert (answer["id"], answer["type"], answer["payload"]["data"]) == (
            "q",
            "next",
            {"hello": "hello Zoë"},
        )
        assert await receive(client) == {"id": "q", "type": "complete"}


async def test_mutations_are_executed(server: Server) -> None:
    async with await server.connect() as client:
        await subscribe(client, "m", 'mutation { store(word: "stored") }')
        assert (await receive(client))["payload"]["data"] == {"store": "stored"}
        assert await receive(client) == {"id": "m", "type": "complete"}
    assert "stored" in server.trace.stored


async def test_a_subscription_delivers_its_results_in_order_and_completes(server: Server) -> None:
    async with await server.connect() as client:
        await subscribe(client, "s", "subscription { count(to: 50) }")
        messages = [await receive(client) for _ in range(51)]
    assert [message["payload"]["data"]["count"] for message in messages[:-1]] == list(range(50))
    assert messages[-1] == {"id": "s", "type": "complete"}


async def test_each_operation_has_a_context_of_its_own(server: Server) -> None:
    async with await server.connect() as client:
        numbers = set()
        for key in "ab":
            await subscribe(client, key, "{ context }")
            numbers.add((await receive(client))["payload"]["data"]["context"])
            await receive(client)
    assert len(numbers) == 2


@pytest.mark.parametrize(
    "query",
    [
        "{ hello",
        "{ nothing }",
        "",
        "subscription { nothing }",
        "query($a: Int) { hello(name: $a) }",
    ],
)
async def test_an_invalid_operation_leaves_the_connection_open(server: Server, query: str) -> None:
    async with await server.connect() as client:
        await subscribe(client, "bad", query)
        answer = await receive(client)
        assert (answer["id"], answer["type"]) == ("bad", "error")
        assert all(error["message"] for error in answer["payload"])
        await subscribe(client, "bad", "{ hello }")  # the id is free again
        assert (await receive(client))["type"] == "next"


async def test_a_failing_resolver_ends_its_own_operation_only(server: Server) -> None:
    async with await server.connect() as client:
        await subscribe(client, "q", "{ broken }")
        await subscribe(client, "s", "subscription { failing }")
        messages = [await receive(client) for _ in range(5)]
        assert [message["type"] for message in messages if message["id"] == "q"] == [
            "next",
            "complete",
        ]
        assert [message["type"] for message in messages if message["id"] == "s"] == [
            "next",
            "next",
            "complete",
        ]
        assert "secret" not in str(messages)
        assert "INTERNAL" in str(messages)
        await send(client, type="ping")
        assert await receive(client) == {"type": "pong"}


async def test_a_result_that_json_cannot_represent_is_an_error(server: Server) -> None:
    async with await server.connect() as client:
        await subscribe(client, "q", "{ notJson }")
        answer = await receive(client)
        assert (answer["id"], answer["type"]) == ("q", "error")
        assert answer["payload"][0]["extensions"]["code"] == "INTERNAL"
        await subscribe(client, "q", "{ hello }")
        assert (await receive(client))["type"] == "next"


async def test_an_id_in_use_closes_the_connection(server: Server) -> None:
    async with await server.connect() as client:
        for _ in range(2):
            await subscribe(client, "é" * 100, "subscription { wait }")
        code, reason = await wait_until_closed(client)
    assert code == CloseCode.SUBSCRIBER_ALREADY_EXISTS
    assert reason is not None
    assert reason.startswith("Subscriber for é")
    assert len(reason.encode()) <= REASON_BYTES


async def test_a_client_completes_an_operation_and_uses_its_id_again_at_once(
    server: Server,
) -> None:
    async with await server.connect() as client:
        for turn in range(5):
            await subscribe(
                client, "1", f'subscription {{ wait(name: "again{turn}", cleanup: "reused") }}'
            )
            assert (await receive(client))["payload"]["data"] == {"wait": "waiting"}
            await send(client, id="1", type="complete")
        await subscribe(client, "1", "{ hello }")
        assert (await receive(client))["payload"]["data"] == {"hello": "hello world"}
        assert await receive(client) == {"id": "1", "type": "complete"}
        assert len(server.trace.open) == 5  # the operations before are still cleaning up
        await server.set_signal("reused")
        await wait_until(lambda: not server.trace.open)


async def test_client_and_server_may_complete_at_the_same_time(server: Server) -> None:
    async with await server.connect() as client:
        for turn in range(8):
            await subscribe(client, "1", f"subscription {{ count(to: {turn}) }}")
            await send(client, id="1", type="complete")
            await send(client, id="never", type="complete")
            await send(client, type="ping", payload={"turn": turn})
            while (answer := await receive(client))["type"] != "pong":
                assert answer["id"] == "1"
            assert answer["payload"] == {"turn": turn}


async def test_a_completed_operation_sends_nothing_more(server: Server) -> None:
    async with await server.connect() as client:
        await subscribe(client, "1", "subscription { ignoresCancellation }")
        await receive(client)
        await send(client, id="1", type="complete")
        await receive_pong(client)
        await wait_until(lambda: not server.trace.open)  # although its source went on
        assert await receive_pong(client) == []


async def test_concurrent_operations_per_connection_are_limited(server: Server) -> None:
    async with await server.connect() as client:
        for number in range(LIMITS.operations):
            await subscribe(client, str(number), "subscription { wait }")
            assert (await receive(client))["type"] == "next"
        await subscribe(client, "more", "{ hello }")
        answer = await receive(client)
        assert (answer["id"], answer["type"]) == ("more", "error")
        assert answer["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
        await send(client, id="0", type="complete")
        await subscribe(client, "more", "{ hello }")
        assert (await receive(client))["type"] == "next"


async def test_messages_per_minute_are_limited(server: Server) -> None:
    async with await server.connect() as client:
        for _ in range(LIMITS.messages_per_minute):
            await send(client, type="pong")
        assert await wait_until_closed(client) == (CloseCode.TOO_MANY_REQUESTS, "Too many messages")


INVALID: dict[str, str | bytes] = {
    "not JSON": "hello",
    "empty": "",
    "array": '[{"type":"ping"}]',
    "null": "null",
    "number": "42",
    "NaN": '{"type":"ping","payload":{"a":NaN}}',
    "infinity": '{"type":"ping","payload":{"a":1e999}}',
    "6,000 digits": '{"type":"ping","payload":{"a":' + "7" * 6000 + "}}",
    "deep arrays": '{"type":"ping","payload":{"a":' + "[" * 900 + "]" * 900 + "}}",
    "deeper arrays": "[" * 30_000,
    "deep variables": '{"id":"1","type":"subscribe","payload":{"query":"{a}","variables":'
    + '{"a":' * 300
    + "1"
    + "}" * 302,
    "lone surrogate": '{"type":"ping","payload":{"a":"\\ud800"}}',
    "no type": "{}",
    "unknown type": '{"type":"start","id":"1","payload":{"query":"{ hello }"}}',
    "a server's type": '{"type":"next","id":"1","payload":{}}',
    "type is an array": '{"type":["ping"]}',
    "no id": '{"type":"subscribe","payload":{"query":"{ hello }"}}',
    "numeric id": '{"type":"subscribe","id":1,"payload":{"query":"{ hello }"}}',
    "empty id": '{"type":"subscribe","id":"","payload":{"query":"{ hello }"}}',
    "long id": '{"type":"subscribe","id":"' + "é" * 5000 + '","payload":{"query":"{ hello }"}}',
    "complete without id": '{"type":"complete"}',
    "complete with numeric id": '{"type":"complete","id":7}',
    "no payload": '{"type":"subscribe","id":"1"}',
    "payload is null": '{"type":"subscribe","id":"1","payload":null}',
    "payload is a string": '{"type":"subscribe","id":"1","payload":"{ hello }"}',
    "payload is an array": '{"type":"subscribe","id":"1","payload":[]}',
    "no query": '{"type":"subscribe","id":"1","payload":{}}',
    "query is a number": '{"type":"subscribe","id":"1","payload":{"query":1}}',
    "variables are an array": '{"type":"subscribe","id":"1","payload":{"query":"{ hello '
    '}","variables":[1]}}',
    "operationName is a number": '{"type":"subscribe","id":"1","payload":{"query":"{ hello '
    '}","operationName":1}}',
    "extensions are a string": '{"type":"subscribe","id":"1","payload":{"query":"{ hello '
    '}","extensions":"x"}}',
    "ping's payload is an array": '{"type":"ping","payload":[]}',
    "init's payload is a string": '{"type":"connection_init","payload":"token"}',
    "binary": b'{"type":"ping"}',
}


@pytest.mark.parametrize("frame", INVALID.values(), ids=INVALID.keys())
@pytest.mark.parametrize("is_acknowledged", [False, True])
async def test_an_invalid_message_closes_the_connection(
    server: Server, frame: str | bytes, is_acknowledged: bool
) -> None:
    async with await server.connect() if is_acknowledged else server.open_websocket() as client:
        await client.send(frame)
        code, reason = await wait_until_closed(client)
    assert code == CloseCode.BAD_REQUEST
    assert reason is not None
    assert reason.startswith("Invalid message: ")


async def test_payloads_may_be_nested_to_a_realistic_depth(server: Server) -> None:
    async with await server.connect() as client:
        payload: dict[str, Any] = {"a": [{} for _ in range(100)]}
        for _ in range(60):
            payload = {"a": payload}
        await send(client, type="ping", payload=payload)
        assert await receive(client) == {"type": "pong", "payload": payload}


async def test_messages_have_a_size_limit(server: Server) -> None:
    async with await server.connect() as client:
        await send(client, type="ping", payload={"a": "x" * 65_000})
        assert len((await receive(client))["payload"]["a"]) == 65_000
        await send(client, type="ping", payload={"a": "x" * 65_536})
        assert (await wait_until_closed(client))[0] == CloseCode.MESSAGE_TOO_BIG
    async with await server.connect() as client:  # the same in fragments
        await client.send(["x" * 1000] * 66)
        assert (await wait_until_closed(client))[0] == CloseCode.MESSAGE_TOO_BIG


async def test_the_endpoint_may_have_a_lower_limit_than_uvicorn() -> None:
    with running_server(SocketLimits(frame_bytes=1000)) as server:
        async with await server.connect() as client:
            await send(client, type="ping", payload={"a": "é" * 500})
            assert (await wait_until_closed(client))[0] == CloseCode.MESSAGE_TOO_BIG


@pytest.mark.parametrize("code", [CloseCode.UNAUTHORIZED, CloseCode.FORBIDDEN])
async def test_the_end_of_a_session_closes_the_connection_at_once(
    server: Server, code: CloseCode
) -> None:
    async with await server.connect() as client:
        await subscribe(
            client, "1", f'subscription {{ wait(name: "cleans up", cleanup: "{code}") }}'
        )
        await receive(client)
        await server.end_session(code)
        assert (await wait_until_closed(client))[0] == code
        assert "cleans up" in server.trace.open  # the connection doesn't wait for it
        await server.set_signal(str(code))
        await wait_until(lambda: not server.trace.open)
