"""Subscriptions over server-sent events: npm's graphql-sse, and a client that resumes by
Last-Event-ID as a browser's EventSource does.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

import httpx
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from realtime.client import SocketLimits
from tests.clients.test_graphql_ws import client_output
from tests.people import sign_up
from tests.story.server_fixtures import Client, Server, http_client
from tests.waiting import MAX_WAIT

EVENTS = """subscription($id: ID!, $after: BigInt) {
  ticketEvents(ticketId: $id, after: $after) { sequence kind message { body } } }"""


def nested(depth: int) -> dict[str, Any]:
    """An object with this many levels."""
    return {"a": nested(depth - 1)} if depth > 1 else {}


class EventStream:
    """The response to a request for server-sent events."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def events(self) -> AsyncIterator[dict[str, str]]:
        """The events from here on, each with its fields."""
        fields: dict[str, str] = {}
        async for line in self._lines:
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields:
                yield fields
                fields = {}

    async def next_events(self, until: str) -> list[dict[str, str]]:
        """The events up to the next one whose data contain this text."""
        events: list[dict[str, str]] = []
        async with asyncio.timeout(MAX_WAIT):
            async for event in self.events():
                events.append(event)
                if until in event["data"]:
                    break
        return events

    async def read_remaining_events(self) -> list[Any]:
        """The events until the response ends, as (event, data)."""
        async with asyncio.timeout(MAX_WAIT):
            return [
                (event["event"], orjson.loads(event["data"]) if event.get("data") else None)
                async for event in self.events()
            ]


@asynccontextmanager
async def event_stream(
    client: Client, params: dict[str, Any], method: str = "POST", **headers: str
) -> AsyncIterator[EventStream]:
    """Requests server-sent events."""
    headers = {"Accept": "text/event-stream"} | headers
    if client.token:
        headers = {"Authorization": f"Bearer {client.token}"} | headers
    encoded = {name: orjson.dumps(value).decode() for name, value in params.items()}
    body: dict[str, Any] = (
        {"params": encoded | {"query": params["query"]}} if method == "GET" else {"json": params}
    )
    async with (
        http_client(base_url=client.server.url) as http,
        http.stream(method, "/graphql", headers=headers, **body) as response,
    ):
        yield EventStream(response)


async def all_events(client: Client, params: dict[str, Any], method: str = "POST") -> list[Any]:
    """All events of a response that ends by itself, as (event, data)."""
    async with event_stream(client, params, method) as stream:
        assert stream.response.status_code == 200
        assert stream.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        return await stream.read_remaining_events()


async def reply(client: Client, ticket: str, body: str) -> None:
    arguments = {"ticketId": ticket, "body": body, "clientMessageId": body}
    await client.mutate("ticketReply", "TicketReplyInput", arguments, "message { sequence }")


async def test_the_graphql_sse_client_resumes_after_the_server_was_killed(server: Server) -> None:
    paul = await sign_up(server, "events@boulangerie.example")
    ticket = await paul.open_chat()
    lines = client_output(server, paul, ticket, "events.mjs", f"{server.url}/graphql")
    async with asyncio.timeout(MAX_WAIT), aclosing(lines):
        output = [line async for line in lines]
    assert [line["query"]["data"] for line in output if "query" in line] == [
        {"node": {"__typename": "Ticket", "id": ticket}}
    ]
    (errors,) = [line["errors"] for line in output if "errors" in line]
    assert "noSuchField" in errors[0]
    events = [(line["sequence"], line.get("key")) for line in output if "sequence" in line]
    assert [sequence for sequence, _ in events] == list(range(1, len(events) + 1))
    assert [key for _, key in events if key][-3:] == ["first", "meanwhile", "last"]
    assert True in [line["connected"] for line in output if "connected" in line]


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_client_resumes_by_last_event_id(server: Server, method: str) -> None:
    """Its request contains `after: 0` again, as that of an EventSource does."""
    paul = await sign_up(server, f"resume-{method.lower()}@boulangerie.example")
    ticket = await paul.open_chat()
    params = {"query": EVENTS, "variables": {"id": ticket, "after": 0}}
    async with event_stream(paul, params, method) as stream:
        events = await stream.next_events(until="Bonjour")
    await reply(paul, ticket, "meanwhile")
    last_id = events[-1]["id"]
    async with event_stream(paul, params, method, **{"Last-Event-ID": last_id}) as stream:
        events += await stream.next_events(until="meanwhile")
        await reply(paul, ticket, "live")
        events += await stream.next_events(until="live")
    ids = [int(event["id"]) for event in events]
    assert ids == list(range(1, len(ids) + 1))


async def test_an_operation_has_one_result(server: Server) -> None:
    anonymous = Client(server)
    ((event, result), end) = await all_events(anonymous, {"query": "{ __typename }"})
    assert (event, result["data"], end) == ("next", {"__typename": "Query"}, ("complete", None))
    ((_, result), end) = await all_events(anonymous, {"query": "{ noSuchField }"})
    assert "noSuchField" in result["errors"][0]["message"]
    assert end == ("complete", None)


async def test_a_mutation_needs_post(server: Server) -> None:
    query = 'mutation { sessionEnd(input: {sessionId: "x"}) { userErrors { code } } }'
    ((_, result), _) = await all_events(Client(server), {"query": query}, method="GET")
    assert result["errors"][0]["message"] == "Send a mutation by POST."


async def test_a_subscription_is_answered_with_events_when_the_client_accepts_both(
    server: Server,
) -> None:
    """As requested by urql: everything else is answered with JSON."""
    paul = await sign_up(server, "both@boulangerie.example")
    ticket = await paul.open_chat()
    accept = "application/graphql-response+json, application/json, text/event-stream"
    params: dict[str, Any] = {"query": EVENTS, "variables": {"id": ticket, "after": 0}}
    async with event_stream(paul, params, Accept=accept) as stream:
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        assert await stream.next_events(until="Bonjour")
    async with event_stream(paul, {"query": "{ __typename }"}, Accept=accept) as stream:
        media_type = stream.response.headers["content-type"]
        assert media_type.startswith("application/graphql-response+json")


@pytest.mark.parametrize(
    ("status", "headers", "params"),
    [
        (401, {"Authorization": "Bearer dead"}, {"query": "{ __typename }"}),
        (400, {"Last-Event-ID": "-1"}, {"query": "{ __typename }"}),
        (400, {}, {"query": 5}),
        (413, {}, {"query": "{ __typename }", "variables": {"text": "x" * 70_000}}),
        (400, {}, {"query": "{ __typename }", "variables": nested(64)}),
        (403, {"Origin": "https://evil.example"}, {"query": "{ __typename }"}),
    ],
)
async def test_a_request_that_is_refused_has_a_status(
    server: Server, status: int, headers: dict[str, str], params: dict[str, Any]
) -> None:
    async with event_stream(Client(server), params, **headers) as stream:
        assert stream.response.status_code == status
        assert "event-stream" not in stream.response.headers.get("content-type", "")


@pytest.mark.parametrize(
    ("language", "messages"),
    [
        ("fr-FR,en;q=0.5", ["Connectez-vous pour continuer.", "Cette requête ne provient pas d"]),
        ("en", ["Sign in to continue.", "This request doesn’t come from"]),
    ],
)
async def test_a_refusal_is_in_the_clients_language(
    server: Server, language: str, messages: list[str]
) -> None:
    refused: list[dict[str, str]] = [
        {"Authorization": "Bearer dead"},
        {"Origin": "https://evil.example"},
    ]
    answers = []
    for headers in refused:
        headers["Accept-Language"] = language
        async with event_stream(Client(server), {"query": EVENTS}, **headers) as stream:
            answers.append(orjson.loads(await stream.response.aread())["errors"][0])
    assert [answer["extensions"]["code"] for answer in answers] == [
        "UNAUTHENTICATED",
        "ORIGIN_REFUSED",
    ]
    for answer, message in zip(answers, messages, strict=True):
        assert answer["message"].startswith(message)


async def test_a_client_above_a_limit_is_told_when_to_come_back(server: Server) -> None:
    address = server.url.replace("http", "ws") + "/graphql"
    protocols = [Subprotocol("graphql-transport-ws")]
    async with AsyncExitStack() as stack:
        for _ in range(SocketLimits().anonymous_per_network):
            socket = await stack.enter_async_context(connect(address, subprotocols=protocols))
            await socket.send('{"type": "connection_init"}')
            assert orjson.loads(await socket.recv())["type"] == "connection_ack"
        headers = {"Accept-Language": "fr"}
        async with event_stream(Client(server), {"query": "{ __typename }"}, **headers) as stream:
            response = stream.response
            error = orjson.loads(await response.aread())["errors"][0]
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert error["extensions"] == {"code": "SERVICE_UNAVAILABLE", "retryAfter": 5}
    assert error["message"].startswith("Le service est momentanément indisponible.")


async def test_another_companys_ticket_has_no_events(server: Server) -> None:
    paul = await sign_up(server, "owner@boulangerie.example")
    marie = await sign_up(server, "stranger@fournil.example")
    params = {"query": EVENTS, "variables": {"id": await paul.open_chat(), "after": 0}}
    ((_, result), end) = await all_events(marie, params)
    assert result["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert end == ("complete", None)


async def test_the_stream_ends_with_the_session(server: Server) -> None:
    """It ends without `complete`, so the client reconnects and learns that it has to sign in."""
    paul = await sign_up(server, "ended@boulangerie.example")
    ticket = await paul.open_chat()
    params = {"query": EVENTS, "variables": {"id": ticket, "after": 0}}
    async with event_stream(paul, params) as stream:
        await stream.next_events(until="Bonjour")
        sessions = (await paul.data("{ viewer { sessions { id } } }"))["viewer"]["sessions"]
        await paul.mutate(
            "sessionEnd", "SessionEndInput", {"sessionId": sessions[0]["id"]}, "ended"
        )
        assert "complete" not in [event for event, _ in await stream.read_remaining_events()]


async def test_the_server_stops_while_clients_listen(server: Server) -> None:
    paul = await sign_up(server, "stop@boulangerie.example")
    ticket = await paul.open_chat()
    params = {"query": EVENTS, "variables": {"id": ticket, "after": 0}}
    async with event_stream(paul, params) as stream:
        await stream.next_events(until="Bonjour")
        await asyncio.to_thread(server.stop)
        assert await stream.read_remaining_events() == []
    assert "graceful shutdown exceeded" not in server.log
    await asyncio.to_thread(server.start)
