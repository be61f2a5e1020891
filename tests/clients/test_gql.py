"""Python's gql uses the server over HTTP and over a websocket, before and after the server was
killed.
"""

import asyncio
from typing import Any

import pytest
from gql import Client as Gql
from gql import gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportConnectionFailed, TransportQueryError
from gql.transport.websockets import WebsocketsTransport

from realtime.messages import SUBPROTOCOL
from tests.people import sign_up
from tests.story.server_fixtures import Client, Server
from tests.waiting import MAX_WAIT

NODE_QUERY = "query($id: ID!) { node(id: $id) { __typename id } }"
REPLY_MUTATION = (
    "mutation($input: TicketReplyInput!) { ticketReply(input: $input) { message { sequence } "
    "userErrors { code } } }"
)
EVENTS_SUBSCRIPTION = """subscription($id: ID!, $after: BigInt) {
    ticketEvents(ticketId: $id, after: $after) { sequence message { clientMessageId } } }"""


async def test_queries_and_mutations_work_over_http(server: Server) -> None:
    paul = await sign_up(server, "paul@boulangerie.example")
    ticket = await paul.open_chat()
    transport = AIOHTTPTransport(
        f"{server.url}/graphql", headers={"Authorization": f"Bearer {paul.token}"}
    )
    client = Gql(transport=transport, fetch_schema_from_transport=True)
    async with client as session:
        assert client.schema
        assert client.schema.subscription_type
        await query_and_reply(session, ticket)
        await server.kill_and_restart()
        await query_and_reply(session, ticket)


async def test_subscriptions_work_over_a_websocket(server: Server) -> None:
    paula = await sign_up(server, "paula@boulangerie.example")
    ticket = await paula.open_chat()
    client: Any = Gql(transport=websocket(paula))  # its connect_async is not typed
    session = await client.connect_async(reconnecting=True)
    try:
        await query_and_reply(session, ticket)
        events = await collect_events(session, ticket, 0, "first")
        await server.kill_and_restart()
        with pytest.raises(TransportConnectionFailed):
            await collect_events(session, ticket, events[-1][0], "meanwhile")
        await reply(session, ticket, "meanwhile")
        events += await collect_events(session, ticket, events[-1][0], "meanwhile")
    finally:
        await client.close_async()
    assert [sequence for sequence, _ in events] == list(range(1, len(events) + 1))
    assert [key for _, key in events][-2:] == ["first", "meanwhile"]


def websocket(client: Client) -> WebsocketsTransport:
    url = f"{client.server.url.replace('http', 'ws')}/graphql"
    authorization = {"authorization": f"Bearer {client.token}"}
    return WebsocketsTransport(url, init_payload=authorization, subprotocols=[SUBPROTOCOL])


async def query_and_reply(session: Any, ticket: str) -> None:
    """A query, an invalid query, and a mutation that may be repeated."""
    assert await execute(session, NODE_QUERY, {"id": ticket}) == {
        "node": {"__typename": "Ticket", "id": ticket}
    }
    with pytest.raises(TransportQueryError):
        await execute(session, NODE_QUERY, {"id": None})
    assert await reply(session, ticket, "first") == await reply(session, ticket, "first")


async def execute(session: Any, text: str, variables: dict[str, Any]) -> dict[str, Any]:
    request = gql(text)
    request.variable_values = variables
    return dict(await session.execute(request))


async def reply(session: Any, ticket: str, key: str) -> int:
    """Send a message and return its sequence."""
    message = {"ticketId": ticket, "body": key, "clientMessageId": key}
    payload = (await execute(session, REPLY_MUTATION, {"input": message}))["ticketReply"]
    assert payload["userErrors"] == []
    return int(payload["message"]["sequence"])


async def collect_events(
    session: Any, ticket: str, after: int, last_key: str
) -> list[tuple[int, str | None]]:
    """Sequence and client message id of the events after `after`, up to the message whose client
    message id is `last`.
    """
    request = gql(EVENTS_SUBSCRIPTION)
    request.variable_values = {"id": ticket, "after": after}
    events: list[tuple[int, str | None]] = []
    async with asyncio.timeout(MAX_WAIT):
        async for data in session.subscribe(request):
            event = data["ticketEvents"]
            events.append(
                (event["sequence"], event["message"] and event["message"]["clientMessageId"])
            )
            if events[-1][1] == last_key:
                break
    return events
