"""A websocket lives as long as the access token it was opened with."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from app import create_app
from auth.sessions import ACCESS_LIFETIME
from realtime.close_codes import CloseCode
from settings import read_settings
from tests.conftest import MovableClock
from tests.people import PASSWORD, sign_up
from tests.story.server_fixtures import Client, Server
from tests.uvicorn_thread import serve_in_thread

EMAIL = "paul@boulangerie.example"
EVENTS = "subscription ($ticket: ID!) { ticketEvents(ticketId: $ticket) { message { body } } }"


@pytest.fixture
def server(database_url: str, tmp_path: Path, clock: MovableClock) -> Iterator[Server]:
    """A server whose clock only moves when the test moves it."""
    server = Server(database_url, tmp_path)
    settings = {
        name: value for name, value in server.environment.items() if name.startswith("CAMCHA_")
    }
    with serve_in_thread(
        create_app(read_settings(settings), clock), lifespan="on", port=server.port
    ):
        yield server


async def refused_with(client: Client) -> int:
    """The code with which a new websocket of this client is closed."""
    with pytest.raises(ConnectionClosed) as raised:
        async with client.socket():
            pass
    assert raised.value.rcvd is not None
    return raised.value.rcvd.code


async def test_a_websocket_is_closed_when_its_access_token_expires(
    server: Server, clock: MovableClock
) -> None:
    paul = await sign_up(server, EMAIL)
    async with paul.socket() as websocket:
        ticket = await paul.open_chat()
        subscription = await websocket.subscribe(EVENTS, ticket=ticket)
        typing = await websocket.subscribe("{ viewer { user { name } } }")
        assert (await typing.next())["user"]["name"] == "Paul Meunier"
        clock.advance(ACCESS_LIFETIME + timedelta(seconds=1))
        await websocket.subscribe("{ viewer { user { name } } }")
        assert await websocket.wait_closed() == CloseCode.FORBIDDEN
        assert subscription.queue.empty()
    assert await refused_with(paul) == CloseCode.UNAUTHORIZED


async def test_an_idle_websocket_is_closed_and_nothing_more_is_delivered(
    server: Server, clock: MovableClock
) -> None:
    first = await sign_up(server, EMAIL)
    ticket = await first.open_chat()
    async with first.socket() as websocket:
        subscription = await websocket.subscribe(
            EVENTS.replace("$ticket)", "$ticket, after: 0)"), ticket=ticket
        )
        assert await subscription.next()
        clock.advance(ACCESS_LIFETIME / 2)
        second = await Client(server).sign_in(EMAIL, PASSWORD)
        clock.advance(ACCESS_LIFETIME / 2 + timedelta(seconds=1))  # only the first one has expired
        reply = {"ticketId": ticket, "body": "Bonsoir", "clientMessageId": "1"}
        await second.mutate("ticketReply", "TicketReplyInput", reply, "message { id }")
        assert await websocket.wait_closed() == CloseCode.FORBIDDEN
        while not subscription.queue.empty():
            assert (await subscription.next())["message"]["body"] != "Bonsoir"
    async with second.socket() as websocket:
        viewer = await websocket.subscribe("{ viewer { user { name } } }")
        assert (await viewer.next())["user"]["name"] == "Paul Meunier"


async def test_a_websocket_is_closed_when_its_api_key_expires(
    server: Server, clock: MovableClock
) -> None:
    paul = await sign_up(server, EMAIL)
    ticket = await paul.open_chat()
    await paul.mutate(
        "sessionStepUp", "SessionStepUpInput", {"password": PASSWORD}, "stepUpExpiresAt"
    )
    service_account = await paul.mutate(
        "serviceAccountCreate",
        "ServiceAccountCreateInput",
        {"name": "CRM", "idempotencyKey": "1"},
        "serviceAccount { id }",
    )
    key = {"serviceAccountId": service_account["serviceAccount"]["id"], "expiresInDays": 1}
    key |= {"name": "CRM", "scopes": ["READ_SUPPORT"], "idempotencyKey": "1"}
    created = await paul.mutate("apiKeyCreate", "ApiKeyCreateInput", key, "secret")
    system = Client(server, created["secret"])
    async with system.socket() as websocket:
        subscription = await websocket.subscribe(EVENTS, ticket=ticket)
        clock.advance(timedelta(days=1))
        refused = await websocket.subscribe("{ tickets { totalCount } }")
        assert await websocket.wait_closed() == CloseCode.FORBIDDEN
        assert subscription.queue.empty()
        assert refused.queue.empty()
    assert await refused_with(system) == CloseCode.UNAUTHORIZED
