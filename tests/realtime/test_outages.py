"""Websockets while the database is unavailable."""

import pytest

from models.errors import ServiceUnavailable
from realtime.client import SocketLimits
from realtime.close_codes import CloseCode
from realtime.outages import require_available, retry_during_outage
from tests.realtime.socket_fixtures import receive, running_server, send, wait_until_closed


async def test_a_new_connection_waits_for_the_end_of_an_outage() -> None:
    with running_server() as server:
        async with server.open_websocket() as client:
            payload = {"on_connect": "outage", "attempts": 3}
            await send(client, type="connection_init", payload=payload)
            assert await receive(client) == {"type": "connection_ack"}
        assert len(server.payloads) == 4


async def test_a_new_connection_is_closed_for_a_retry_when_the_outage_lasts() -> None:
    with running_server(SocketLimits(identify_timeout=0.1)) as server:
        async with server.open_websocket() as client:
            payload = {"on_connect": "outage", "attempts": 10**9}
            await send(client, type="connection_init", payload=payload)
            assert await wait_until_closed(client) == (
                CloseCode.TRY_AGAIN_LATER,
                "Try again later",
            )


async def test_work_is_retried_until_it_succeeds_or_times_out() -> None:
    attempts: list[int] = []

    async def work() -> int:
        attempts.append(len(attempts))
        if len(attempts) < 3:
            raise ServiceUnavailable("outage")
        return attempts[-1]

    assert await retry_during_outage(work) == 2
    attempts.clear()
    with pytest.raises(ServiceUnavailable):
        await retry_during_outage(work, seconds=-1)
    assert attempts == [0]


@pytest.mark.parametrize("code", ["SERVICE_UNAVAILABLE", "TIMEOUT"])
def test_an_event_that_failed_temporarily_is_not_delivered(code: str) -> None:
    with pytest.raises(ServiceUnavailable):
        require_available([{"message": "x"}, {"message": "x", "extensions": {"code": code}}])
    require_available([{"message": "x", "extensions": {"code": "INTERNAL"}}])
    require_available(None)
