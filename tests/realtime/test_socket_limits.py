"""How many websockets a network, a person and strangers may have, and how long they stay open."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from realtime.client import SocketLimits
from realtime.close_codes import CloseCode
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
from tests.waiting import MAX_WAIT

TOO_MANY = (CloseCode.TRY_AGAIN_LATER, "Too many connections")
LONG = 10.0 * MAX_WAIT


@asynccontextmanager
async def connect_as(
    server: Server, *payloads: dict[str, Any]
) -> AsyncIterator[list[ClientConnection]]:
    """A websocket for each payload of `connection_init`, acknowledged or closed."""
    async with AsyncExitStack() as stack:
        clients = []
        for payload in payloads:
            client = await stack.enter_async_context(server.open_websocket())
            await send(client, type="connection_init", payload=payload)
            clients.append(client)
        yield clients


async def is_acknowledged(client: ClientConnection) -> bool:
    return bool(await receive(client) == {"type": "connection_ack"})


async def test_a_person_has_a_limited_number_of_connections() -> None:
    with running_server(SocketLimits(connections_per_person=2)) as server:
        names = ["paul", "paul", "zoe", "paul"]
        async with connect_as(server, *({"name": name} for name in names)) as clients:
            for client in clients[:3]:
                assert await is_acknowledged(client)
            assert await wait_until_closed(clients[3]) == TOO_MANY
            await clients[0].close()
            await wait_until(lambda: len(server.endpoint._connections) == 2)
            async with connect_as(server, {"name": "paul"}) as (third_socket,):
                assert await is_acknowledged(third_socket)
        # Whoever was refused was never connected.
        connected = ["connected", "disconnected"]
        assert [client.connections for client in server.clients] == [
            *[connected] * 3,
            [],
            connected,
        ]


@pytest.mark.parametrize(
    "limits", [SocketLimits(anonymous=2), SocketLimits(anonymous_per_network=2)]
)
async def test_the_number_of_anonymous_connections_is_limited(limits: SocketLimits) -> None:
    with running_server(limits) as server:
        names = [None, None, "paul", None]
        async with connect_as(server, *({"name": name} for name in names)) as clients:
            for client in clients[:3]:
                assert await is_acknowledged(client)
            assert await wait_until_closed(clients[3]) == TOO_MANY


async def test_the_duration_of_anonymous_connections_is_limited() -> None:
    with running_server(SocketLimits(anonymous_seconds=0.2)) as server:
        async with connect_as(server, {"name": None}, {"name": "paul"}) as (anonymous, paul):
            expected = (CloseCode.UNAUTHORIZED, "Sign in to stay connected")
            assert await wait_until_closed(anonymous) == expected
            assert await is_acknowledged(paul)
            assert await receive_pong(paul) == []


@pytest.mark.parametrize(
    "limits", [SocketLimits(connections=3), SocketLimits(connections_per_network=3)]
)
async def test_anonymous_connections_are_closed_in_favor_of_signed_in_users(
    limits: SocketLimits,
) -> None:
    """A handshake doesn't say who opens the websocket, so the oldest stranger gives way."""
    with running_server(limits) as server:
        async with (
            connect_as(server, {"name": None}, {"name": "paul"}) as (anonymous, paul),
            server.open_websocket() as silent,
        ):
            assert await is_acknowledged(anonymous)
            assert await is_acknowledged(paul)
            async with connect_as(server, {"name": "zoe"}) as (zoe,):
                assert await is_acknowledged(zoe)
                assert await wait_until_closed(anonymous) == TOO_MANY
                async with connect_as(server, {"name": "luc"}) as (luc,):
                    assert await is_acknowledged(luc)
                    assert await wait_until_closed(silent) == TOO_MANY
                    with pytest.raises(InvalidStatus) as refused:
                        await server.open_websocket()
                    response = refused.value.response
                    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
                    for each in (paul, zoe, luc):
                        assert await receive_pong(each) == []


async def test_networks_are_counted_by_the_address_that_a_trusted_proxy_reports() -> None:
    with running_server(SocketLimits(anonymous_per_network=1)) as server:
        for number in range(3):
            headers = {"X-Forwarded-For": f"2001:db8:{number}::1"}
            async with server.open_websocket(additional_headers=headers) as client:
                await send(client, type="connection_init", payload={"name": None})
                assert await is_acknowledged(client)
                other = {"X-Forwarded-For": f"2001:db8:{number}::2"}  # the same /48
                async with server.open_websocket(additional_headers=other) as second:
                    await send(second, type="connection_init", payload={"name": None})
                    assert await wait_until_closed(second) == TOO_MANY


async def test_concurrent_operations_of_a_client_that_does_not_read_are_limited() -> None:
    limits = SocketLimits(running=2, operations=50)
    with running_server(limits) as server:
        async with await server.connect() as client:
            for number in range(20):
                query = f'mutation {{ store(word: "{number}", until: "read") }}'
                await subscribe(client, str(number), query)
            assert await receive_pong(client) == []
            await wait_until(lambda: sorted(server.trace.started) == ["0", "1"])
            await server.set_signal("read")
            messages = [await receive(client) for _ in range(40)]
    assert sum(answer["type"] == "next" for answer in messages) == 20


# Access tokens


async def test_a_connection_is_closed_when_its_token_expires() -> None:
    with running_server() as server:
        async with connect_as(server, {"name": "paul", "seconds": 0.2}) as (client,):
            assert await wait_until_closed(client) == (CloseCode.FORBIDDEN, "Access token expired")


async def test_no_operation_starts_after_the_token_has_expired() -> None:
    with running_server() as server:
        async with connect_as(server, {"name": "paul", "seconds": LONG}) as (client,):
            assert await is_acknowledged(client)
            server.clients[-1].seconds = 0.0  # the timer still waits
            await subscribe(client, "1", 'mutation { store(word: "late") }')
            assert await wait_until_closed(client) == (CloseCode.FORBIDDEN, "Access token expired")
        assert server.trace.started == []


async def test_a_result_that_is_ready_after_the_token_has_expired_is_not_delivered() -> None:
    with running_server() as server:
        async with connect_as(server, {"name": "paul", "seconds": LONG}) as (client,):
            assert await is_acknowledged(client)
            await subscribe(client, "1", 'mutation { store(word: "late", until: "over") }')
            await wait_until(lambda: server.trace.started == ["late"])
            (connection,) = server.endpoint._connections
            connection._expires_at = 0.0
            await server.set_signal("over")
            with pytest.raises(ConnectionClosed) as raised:
                await receive(client)
            assert raised.value.rcvd is not None
            assert raised.value.rcvd.code == CloseCode.FORBIDDEN
        assert server.trace.stored == ["late"]  # a mutation that has begun finishes


# The size of responses


async def test_results_and_events_have_a_maximum_size() -> None:
    with running_server() as server:
        async with await server.connect() as client:
            server.clients[-1].max_response_bytes = 1_000
            await subscribe(client, "1", "{ hello(name: %s) }" % ('"' + "x" * 2_000 + '"'))
            result = await receive(client)
            assert await receive(client) == {"id": "1", "type": "complete"}
            await subscribe(client, "2", "subscription { flood(kilobytes: 2) }")
            event = await receive(client)
            await subscribe(client, "3", "{ hello }")
    for message in (result, event):
        (error,) = message["payload"]["errors"]
        assert message["payload"]["data"] is None
        assert error["extensions"]["code"] == "RESPONSE_TOO_LARGE"
        assert error["extensions"]["size"] > error["extensions"]["limit"] == 1_000
