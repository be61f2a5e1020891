"""P6.1: a system reads a company's data with an API key, over real HTTP and websockets, and is cut
off in every process when the key is revoked.
"""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from realtime.close_codes import CloseCode
from tests.clients.test_server_sent_events import event_stream
from tests.conftest import database_copy
from tests.people import PASSWORD, sign_up
from tests.story.server_fixtures import Client, Server, http_client, run_server, serve_catalogue

EVENTS = """subscription($id: ID!) { ticketEvents(ticketId: $id, after: 0) {
    sequence kind message { body files { name downloadUrl } } } }"""
TICKETS = "{ tickets { nodes { subject messages { nodes { body } } } } }"
EMAIL = "paul@boulangerie.example"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server for all tests of this module."""
    folder = tmp_path_factory.mktemp("server")
    with (
        database_copy(request, request.param, folder, catalogue=True) as url,
        serve_catalogue(url, folder) as running_server,
    ):
        yield running_server


@pytest.fixture(scope="module")
async def paul(server: Server) -> Client:
    """An owner after a step-up."""
    paul = await sign_up(server, EMAIL)
    await step_up(paul)
    return paul


async def step_up(owner: Client) -> None:
    credentials = {"password": PASSWORD}
    await owner.mutate("sessionStepUp", "SessionStepUpInput", credentials, "stepUpExpiresAt")


async def create_key(owner: Client, name: str, *scopes: str) -> tuple[Client, str]:
    """A client with a new key, and the ID of the key."""
    service_account = await owner.mutate(
        "serviceAccountCreate",
        "ServiceAccountCreateInput",
        {"name": name, "idempotencyKey": name},
        "serviceAccount { id }",
    )
    created = await owner.mutate(
        "apiKeyCreate",
        "ApiKeyCreateInput",
        {
            "serviceAccountId": service_account["serviceAccount"]["id"],
            "name": name,
            "scopes": list(scopes),
            "idempotencyKey": name,
        },
        "apiKey { id } secret",
    )
    return Client(owner.server, created["secret"]), created["apiKey"]["id"]


def codes(response: dict[str, Any]) -> list[str]:
    return [error["extensions"]["code"] for error in response["errors"]]


async def post(server: Server, query: str, **options: Any) -> httpx.Response:
    async with http_client(base_url=server.url) as http:
        return await http.post("/graphql", json={"query": query}, **options)


async def test_p6_1_a_revoked_key_is_cut_off_in_every_process(
    server: Server, paul: Client, tmp_path: Path
) -> None:
    """The other process is a second one on PostgreSQL; SQLite allows only one."""
    ticket = await paul.open_chat()
    system, key_id = await create_key(paul, "CRM", "READ_SUPPORT")
    data = await system.data(TICKETS)
    assert data["tickets"]["nodes"][0]["messages"]["nodes"] == [{"body": "Bonjour"}]
    if server.database_url.startswith("sqlite"):
        await _revoke_while_listening(paul, system, key_id, ticket)
    else:
        with run_server(Server(server.database_url, tmp_path)) as other:
            await _revoke_while_listening(paul, Client(other, system.token), key_id, ticket)
    response = await post(server, TICKETS, headers={"Authorization": f"Bearer {system.token}"})
    assert codes(response.json()) == ["UNAUTHENTICATED"]
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert system.token is not None
    assert system.token not in server.log


async def _revoke_while_listening(paul: Client, system: Client, key_id: str, ticket: str) -> None:
    params = {"query": EVENTS, "variables": {"id": ticket}}
    async with system.socket() as websocket, event_stream(system, params) as stream:
        subscription = await websocket.subscribe(EVENTS, id=ticket)
        assert (await subscription.until("MESSAGE_POSTED"))["message"]["body"] == "Bonjour"
        assert await stream.next_events("Bonjour")
        await reply(paul, ticket, "Encore")
        assert (await subscription.until("MESSAGE_POSTED"))["message"]["body"] == "Encore"
        assert await stream.next_events("Encore")
        await step_up(paul)
        await paul.mutate(
            "apiKeyRevoke", "ApiKeyRevokeInput", {"apiKeyId": key_id}, "apiKey { id }"
        )
        assert await websocket.wait_closed() == CloseCode.UNAUTHORIZED
        assert [event for event, _ in await stream.read_remaining_events()] == []
    response = await system.execute(TICKETS)
    assert codes(response) == ["UNAUTHENTICATED"]


async def reply(client: Client, ticket: str, body: str) -> None:
    arguments = {"ticketId": ticket, "body": body, "clientMessageId": body}
    await client.mutate("ticketReply", "TicketReplyInput", arguments, "message { sequence }")


async def test_a_key_reads_by_every_transport_and_changes_nothing(
    server: Server, paul: Client
) -> None:
    system, _ = await create_key(paul, "Compta", "READ_BILLING")
    headers = {"Authorization": f"Bearer {system.token}"}
    query = "{ apiKey { scopes } invoices { totalCount } }"
    expected = {"apiKey": {"scopes": ["READ_BILLING"]}, "invoices": {"totalCount": 0}}
    async with http_client(base_url=server.url, headers=headers) as http:
        get = await http.get("/graphql", params={"query": query})
    assert get.json()["data"] == expected
    assert (await post(server, query, headers=headers)).json()["data"] == expected
    async with event_stream(system, {"query": query}) as stream:
        (_, result), _complete = await stream.read_remaining_events()
        assert result["data"] == expected
    async with system.socket() as websocket:
        answered = await websocket.subscribe("{ apiKey { scopes } }")
        assert await answered.next() == expected["apiKey"]
        refused = await websocket.subscribe(EVENTS, id="x")
        assert (await refused.queue.get())["type"] == "error"
    # Introspection, for those who generate clients; nothing else for a scope that is missing.
    assert "errors" not in await system.execute("{ __schema { queryType { name } } }")
    for document, missing in (
        (TICKETS, ["READ_SUPPORT"]),
        ("{ viewer { user { email } } }", []),
        ("{ articles { totalCount } }", []),
        ("mutation { sessionSignOut { signedOut } }", []),
    ):
        (error, *_) = (await system.execute(document))["errors"]
        assert error["extensions"]["code"] == "FORBIDDEN"
        assert error["extensions"]["missingScopes"] == missing
    dry_run = {"query": TICKETS, "extensions": {"dryRun": True}}
    async with http_client(base_url=server.url, headers=headers) as http:
        assert codes((await http.post("/graphql", json=dry_run)).json())[0] == "FORBIDDEN"


async def test_a_key_counts_in_the_authorization_header_only(server: Server, paul: Client) -> None:
    """A browser sends cookies by itself. With the header, cookies aren't read."""
    system, _ = await create_key(paul, "Cookies", "READ_BILLING")
    origin = {"Origin": server.url}
    query = "{ apiKey { name } }"
    for name in ("camcha_access", "__Host-camcha_access"):
        cookie = {"Cookie": f"{name}={system.token}"} | origin
        assert (await post(server, query, headers=cookie)).json()["data"] == {"apiKey": None}
    both = {"Authorization": f"Bearer {system.token}", "Cookie": f"camcha_access={paul.token}"}
    response = (await post(server, "{ apiKey { name } }", headers=both | origin)).json()
    assert response["data"] == {"apiKey": {"name": "Cookies"}}
    response = (await post(server, "{ viewer { locale } }", headers=both | origin)).json()
    assert codes(response) == ["FORBIDDEN", "FORBIDDEN"]
    basic = base64.b64encode(f"{system.token}:".encode()).decode()
    response = (await post(server, query, headers={"Authorization": f"Basic {basic}"})).json()
    assert response["data"] == {"apiKey": None}


async def test_unknown_keys_are_limited_by_network(server: Server) -> None:
    """Also when a proxy reports another address for each request: only trusted ones count."""
    statuses = []
    for number in range(24):
        headers = {"Authorization": f"Bearer cam_sk_unknown{number:02}_x"}
        response = await post(server, "{ apiKey { name } }", headers=headers)
        statuses.append(response.status_code)
    assert statuses[0] == 200
    assert statuses[-1] == 429
    assert response.headers["retry-after"] == str(
        orjson.loads(response.content)["errors"][0]["extensions"]["retryAfter"]
    )
