"""Python's gql talks to our server: by HTTP and by websocket, and again after the server was killed."""

import asyncio
from typing import Any

import pytest
from gql import Client as Gql
from gql import gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportConnectionFailed, TransportQueryError
from gql.transport.websockets import WebsocketsTransport

from tests.clients.people import chat, customer
from tests.story.server_fixtures import Client, Server

NODE = "query($id: ID!) { node(id: $id) { __typename id } }"
REPLY = "mutation($input: TicketReplyInput!) { ticketReply(input: $input) { message { sequence } userErrors { code } } }"
EVENTS = """subscription($id: ID!, $after: BigInt) { ticketEvents(ticketId: $id, after: $after) {
    sequence message { clientMessageId } } }"""


async def test_by_http(server: Server) -> None:
    paul = await customer(server, "paul@boulangerie.example")
    ticket = await chat(paul)
    transport = AIOHTTPTransport(f"{server.url}/graphql", headers={"Authorization": f"Bearer {paul.token}"})
    client = Gql(transport=transport, fetch_schema_from_transport=True)
    async with client as session:
        assert client.schema
        assert client.schema.subscription_type
        await ask_and_say(session, ticket)
        await the_server_is_killed(server)
        await ask_and_say(session, ticket)


async def test_by_websocket(server: Server) -> None:
    paul = await customer(server, "paula@boulangerie.example")
    ticket = await chat(paul)
    client: Any = Gql(transport=websocket(paul))  # its connect_async is not typed
    session = await client.connect_async(reconnecting=True)
    try:
        await ask_and_say(session, ticket)
        seen = await follow(session, ticket, 0, "first")
        await the_server_is_killed(server)
        with pytest.raises(TransportConnectionFailed):
            await follow(session, ticket, seen[-1][0], "meanwhile")
        await say(session, ticket, "meanwhile")
        seen += await follow(session, ticket, seen[-1][0], "meanwhile")
    finally:
        await client.close_async()
    assert [sequence for sequence, _ in seen] == list(range(1, len(seen) + 1))
    assert [key for _, key in seen][-2:] == ["first", "meanwhile"]


def websocket(paul: Client) -> WebsocketsTransport:
    url = f"{paul.server.url.replace('http', 'ws')}/graphql"
    authorization = {"authorization": f"Bearer {paul.token}"}
    return WebsocketsTransport(url, init_payload=authorization, subprotocols=["graphql-transport-ws"])


async def ask_and_say(session: Any, ticket: str) -> None:
    """A query, one that is refused, and a mutation that may be repeated."""
    found = await execute(session, NODE, {"id": ticket})
    assert found == {"node": {"__typename": "Ticket", "id": ticket}}
    with pytest.raises(TransportQueryError):
        await execute(session, NODE, {"id": None})
    assert await say(session, ticket, "first") == await say(session, ticket, "first")


async def execute(session: Any, text: str, variables: dict[str, Any]) -> dict[str, Any]:
    request = gql(text)
    request.variable_values = variables
    return dict(await session.execute(request))


async def say(session: Any, ticket: str, key: str) -> int:
    given = {"ticketId": ticket, "body": key, "clientMessageId": key}
    payload = (await execute(session, REPLY, {"input": given}))["ticketReply"]
    assert payload["userErrors"] == []
    return int(payload["message"]["sequence"])


async def follow(session: Any, ticket: str, after: int, until: str) -> list[tuple[int, str | None]]:
    """The events behind `after`, up to the message with this client's id."""
    request = gql(EVENTS)
    request.variable_values = {"id": ticket, "after": after}
    seen: list[tuple[int, str | None]] = []
    async with asyncio.timeout(20):
        async for data in session.subscribe(request):
            event = data["ticketEvents"]
            seen.append((event["sequence"], event["message"] and event["message"]["clientMessageId"]))
            if seen[-1][1] == until:
                break
    return seen


async def the_server_is_killed(server: Server) -> None:
    server.kill()
    await asyncio.to_thread(server.start)
