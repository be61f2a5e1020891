"""The rules of graphql-transport-ws and our limits, told by a client that counts on each of them."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from realtime.endpoint import SocketLimits
from tests.realtime.socket_fixtures import House, closed, hear, house, say, subscribe, until

LIMITS = SocketLimits(init_timeout=0.3, operations=3, messages_per_minute=60)
ORIGINS = frozenset({"https://www.camcha.example"})


@pytest.fixture(scope="module")
def running() -> Iterator[House]:
    with house(LIMITS, ORIGINS) as it:
        yield it


async def test_speaks_only_graphql_transport_ws(running: House) -> None:
    async with running.dial(subprotocols=["graphql-ws", "graphql-transport-ws"]) as client:
        assert client.subprotocol == "graphql-transport-ws"
    for offer in (None, [Subprotocol("graphql-ws")]):
        async with running.dial(subprotocols=offer) as client:
            assert await closed(client) == (4406, "Subprotocol not acceptable")


async def test_origin_of_a_browser_must_be_known(running: House) -> None:
    for known in ("https://www.camcha.example", f"http://127.0.0.1:{running.port}"):
        async with running.dial(origin=Origin(known)):
            pass
    for stranger in ("https://evil.example", "null", "http://[", "", "https://www.camcha.example.evil.example"):
        with pytest.raises(InvalidStatus) as refusal:
            async with running.dial(origin=Origin(stranger)):
                pass
        assert refusal.value.response.status_code == 403


async def test_acknowledges_and_hands_over_the_payload(running: House) -> None:
    async with running.dial() as client:
        await say(client, type="connection_init", payload={"token": "abc"})
        assert await hear(client) == {"type": "connection_ack"}
    assert running.payloads[-1] == {"token": "abc"}


@pytest.mark.parametrize("payload", [None, {"as": "slow"}])
async def test_waits_for_the_introduction_only_so_long(running: House, payload: dict[str, Any] | None) -> None:
    async with running.dial() as client:
        if payload:
            await say(client, type="connection_init", payload=payload)
        assert await closed(client) == (4408, "Connection initialisation timeout")


@pytest.mark.parametrize(("who", "code"), [("nobody", 4403), ("crash", 4500)])
async def test_connect_may_refuse(running: House, who: str, code: int, caplog: pytest.LogCaptureFixture) -> None:
    async with running.dial() as client:
        await say(client, type="connection_init", payload={"as": who})
        assert (await closed(client))[0] == code
    assert ("connect failed" in caplog.text) == (who == "crash")


async def test_second_introduction(running: House) -> None:
    async with await running.guest() as client:
        await say(client, type="connection_init")
        assert await closed(client) == (4429, "Too many initialisation requests")


async def test_nothing_runs_before_the_acknowledgement(running: House) -> None:
    async with running.dial() as client:
        await subscribe(client, "1", "{ hello }")
        assert await closed(client) == (4401, "Unauthorized")


async def test_ping_comes_back_with_its_payload(running: House) -> None:
    async with running.dial() as client:
        await say(client, type="ping", payload={"early": [1, None, "é"]})
        assert await hear(client) == {"type": "pong", "payload": {"early": [1, None, "é"]}}
        await say(client, type="connection_init")
        assert await hear(client) == {"type": "connection_ack"}
        await say(client, type="ping")
        assert await hear(client) == {"type": "pong"}
        await say(client, type="pong", payload={"unasked": True})
        await say(client, type="ping", payload={})
        assert await hear(client) == {"type": "pong", "payload": {}}


async def test_query_with_variables_and_operation_name(running: House) -> None:
    async with await running.guest() as client:
        query = "query A { hello } query B($n: String!) { hello(name: $n) }"
        await subscribe(client, "q", query, operationName="B", variables={"n": "Zoë"})
        answer = await hear(client)
        assert (answer["id"], answer["type"], answer["payload"]["data"]) == ("q", "next", {"hello": "hello Zoë"})
        assert await hear(client) == {"id": "q", "type": "complete"}


async def test_mutation(running: House) -> None:
    async with await running.guest() as client:
        await subscribe(client, "m", 'mutation { keep(word: "kept") }')
        assert (await hear(client))["payload"]["data"] == {"keep": "kept"}
        assert await hear(client) == {"id": "m", "type": "complete"}
    assert "kept" in running.toy.mutated


async def test_subscription_gives_all_in_order_and_completes(running: House) -> None:
    async with await running.guest() as client:
        await subscribe(client, "s", "subscription { count(to: 50) }")
        heard = [await hear(client) for _ in range(51)]
    assert [each["payload"]["data"]["count"] for each in heard[:-1]] == list(range(50))
    assert heard[-1] == {"id": "s", "type": "complete"}


async def test_every_operation_has_its_own_context(running: House) -> None:
    async with await running.guest() as client:
        numbers = set()
        for key in "ab":
            await subscribe(client, key, "{ context }")
            numbers.add((await hear(client))["payload"]["data"]["context"])
            await hear(client)
    assert len(numbers) == 2


@pytest.mark.parametrize(
    "query", ["{ hello", "{ nothing }", "", "subscription { nothing }", "query($a: Int) { hello(name: $a) }"]
)
async def test_a_faulty_operation_ends_alone(running: House, query: str) -> None:
    async with await running.guest() as client:
        await subscribe(client, "bad", query)
        answer = await hear(client)
        assert (answer["id"], answer["type"]) == ("bad", "error")
        assert all(each["message"] for each in answer["payload"])
        await subscribe(client, "bad", "{ hello }")  # the id is free again
        assert (await hear(client))["type"] == "next"


async def test_a_crash_of_a_resolver_stays_within_its_operation(running: House) -> None:
    async with await running.guest() as client:
        await subscribe(client, "q", "{ broken }")
        await subscribe(client, "s", "subscription { failing }")
        heard = [await hear(client) for _ in range(5)]
        assert [each["type"] for each in heard if each["id"] == "q"] == ["next", "complete"]
        assert [each["type"] for each in heard if each["id"] == "s"] == ["next", "next", "complete"]
        assert "secret" not in str(heard)
        assert "INTERNAL" in str(heard)
        await say(client, type="ping")
        assert await hear(client) == {"type": "pong"}


async def test_a_result_that_json_cannot_hold_is_an_error(running: House) -> None:
    async with await running.guest() as client:
        await subscribe(client, "q", "{ unspeakable }")
        answer = await hear(client)
        assert (answer["id"], answer["type"]) == ("q", "error")
        assert answer["payload"][0]["extensions"]["code"] == "INTERNAL"
        await subscribe(client, "q", "{ hello }")
        assert (await hear(client))["type"] == "next"


async def test_an_id_in_use_closes_the_socket(running: House) -> None:
    async with await running.guest() as client:
        for _ in range(2):
            await subscribe(client, "é" * 100, "subscription { wait }")
        code, reason = await closed(client)
    assert code == 4409
    assert reason is not None
    assert reason.startswith("Subscriber for é")
    assert len(reason.encode()) <= 123


async def test_client_completes_and_uses_the_id_again(running: House) -> None:
    async with await running.guest() as client:
        for turn in range(5):
            await subscribe(client, "1", f'subscription {{ wait(name: "again{turn}", leaveAfter: 0.1) }}')
            assert (await hear(client))["payload"]["data"] == {"wait": "waiting"}
            await say(client, id="1", type="complete")
        await subscribe(client, "1", "{ hello }")
        assert (await hear(client))["payload"]["data"] == {"hello": "hello world"}
        assert await hear(client) == {"id": "1", "type": "complete"}
        await until(lambda: not running.toy.open)


async def test_completes_that_cross_do_no_harm(running: House) -> None:
    async with await running.guest() as client:
        for turn in range(8):
            await subscribe(client, "1", f"subscription {{ count(to: {turn}) }}")
            await say(client, id="1", type="complete")
            await say(client, id="never", type="complete")
            await say(client, type="ping", payload={"turn": turn})
            while (answer := await hear(client))["type"] != "pong":
                assert answer["id"] == "1"
            assert answer["payload"] == {"turn": turn}


async def test_nothing_of_a_stopped_operation_is_heard(running: House) -> None:
    async with await running.guest() as client:
        await subscribe(client, "1", "subscription { stubborn }")  # its source swallows the cancellation
        await hear(client)
        await say(client, id="1", type="complete")
        await say(client, type="ping")
        while (await hear(client))["type"] != "pong":
            pass
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.recv()


async def test_operations_at_once_are_limited_one_by_one(running: House) -> None:
    async with await running.guest() as client:
        for number in range(LIMITS.operations):
            await subscribe(client, str(number), "subscription { wait }")
            assert (await hear(client))["type"] == "next"
        await subscribe(client, "more", "{ hello }")
        answer = await hear(client)
        assert (answer["id"], answer["type"]) == ("more", "error")
        assert answer["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
        await say(client, id="0", type="complete")
        await subscribe(client, "more", "{ hello }")
        assert (await hear(client))["type"] == "next"


async def test_messages_per_minute(running: House) -> None:
    async with await running.guest() as client:
        for _ in range(LIMITS.messages_per_minute):
            await say(client, type="pong")
        assert await closed(client) == (4429, "Too many messages")


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
    "deep variables": '{"id":"1","type":"subscribe","payload":{"query":"{a}","variables":' + '{"a":' * 300 + "1" + "}" * 302,
    "lone surrogate": '{"type":"ping","payload":{"a":"\\ud800"}}',
    "no type": "{}",
    "unknown type": '{"type":"start","id":"1","payload":{"query":"{ hello }"}}',
    "a server's type": '{"type":"next","id":"1","payload":{}}',
    "type of another kind": '{"type":["ping"]}',
    "no id": '{"type":"subscribe","payload":{"query":"{ hello }"}}',
    "numeric id": '{"type":"subscribe","id":1,"payload":{"query":"{ hello }"}}',
    "empty id": '{"type":"subscribe","id":"","payload":{"query":"{ hello }"}}',
    "long id": '{"type":"subscribe","id":"' + "é" * 5000 + '","payload":{"query":"{ hello }"}}',
    "complete without id": '{"type":"complete"}',
    "complete with numeric id": '{"type":"complete","id":7}',
    "no payload": '{"type":"subscribe","id":"1"}',
    "payload is null": '{"type":"subscribe","id":"1","payload":null}',
    "payload is a text": '{"type":"subscribe","id":"1","payload":"{ hello }"}',
    "payload is an array": '{"type":"subscribe","id":"1","payload":[]}',
    "no query": '{"type":"subscribe","id":"1","payload":{}}',
    "query is a number": '{"type":"subscribe","id":"1","payload":{"query":1}}',
    "variables are an array": '{"type":"subscribe","id":"1","payload":{"query":"{ hello }","variables":[1]}}',
    "operationName is a number": '{"type":"subscribe","id":"1","payload":{"query":"{ hello }","operationName":1}}',
    "extensions are a text": '{"type":"subscribe","id":"1","payload":{"query":"{ hello }","extensions":"x"}}',
    "ping's payload is an array": '{"type":"ping","payload":[]}',
    "init's payload is a text": '{"type":"connection_init","payload":"token"}',
    "binary": b'{"type":"ping"}',
}


@pytest.mark.parametrize("frame", INVALID.values(), ids=INVALID.keys())
@pytest.mark.parametrize("introduced", [False, True])
async def test_invalid_messages(running: House, frame: str | bytes, introduced: bool) -> None:
    async with await running.guest() if introduced else running.dial() as client:
        await client.send(frame)
        code, reason = await closed(client)
    assert code == 4400
    assert reason is not None
    assert reason.startswith("Invalid message: ")


async def test_nesting_that_people_write_is_fine(running: House) -> None:
    async with await running.guest() as client:
        payload: dict[str, Any] = {"a": [{} for _ in range(100)]}
        for _ in range(60):
            payload = {"a": payload}
        await say(client, type="ping", payload=payload)
        assert await hear(client) == {"type": "pong", "payload": payload}


async def test_large_frames(running: House) -> None:
    async with await running.guest() as client:
        await say(client, type="ping", payload={"a": "x" * 65_000})
        assert len((await hear(client))["payload"]["a"]) == 65_000
        await say(client, type="ping", payload={"a": "x" * 65_536})
        assert (await closed(client))[0] == 1009
    async with await running.guest() as client:  # the same in pieces
        await client.send(["x" * 1000] * 66)
        assert (await closed(client))[0] == 1009


async def test_own_frame_limit_where_the_server_has_a_larger_one() -> None:
    with house(SocketLimits(frame_bytes=1000)) as it:
        async with await it.guest() as client:
            await say(client, type="ping", payload={"a": "é" * 500})
            assert (await closed(client))[0] == 1009


@pytest.mark.parametrize("code", [4401, 4403])
async def test_a_revoked_session_closes_at_once(running: House, code: int) -> None:
    async with await running.guest() as client:
        await subscribe(client, "1", 'subscription { wait(name: "revoked", leaveAfter: 2) }')
        await hear(client)
        await running.revoke(code)
        assert (await closed(client))[0] == code
        assert "revoked" in running.toy.open  # it isn't waited for
        await until(lambda: "revoked" not in running.toy.open, 20)
