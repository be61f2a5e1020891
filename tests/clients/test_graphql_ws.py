"""npm's graphql-ws uses the server: a query, a mutation, and a subscription that resumes after the
server was killed.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import orjson

from realtime.close_codes import CloseCode
from tests.people import sign_up
from tests.story.server_fixtures import ROOT, Client, Server
from tests.waiting import MAX_WAIT


async def test_a_subscription_resumes_after_the_server_was_killed(server: Server) -> None:
    paul = await sign_up(server, "npm@boulangerie.example")
    ticket = await paul.open_chat()
    url = f"{server.url.replace('http', 'ws')}/graphql"
    source = client_output(server, paul, ticket, "socket.mjs", url)
    async with asyncio.timeout(MAX_WAIT), aclosing(source) as lines:
        output_lines = [line async for line in lines]
    assert [line["query"]["data"] for line in output_lines if "query" in line] == [
        {"node": {"__typename": "Ticket", "id": ticket}}
    ]
    (errors,) = [line["errors"] for line in output_lines if "errors" in line]
    assert "noSuchField" in errors[0]
    events = [(line["sequence"], line.get("key")) for line in output_lines if "sequence" in line]
    assert [sequence for sequence, _ in events] == list(range(1, len(events) + 1))
    assert [key for _, key in events if key][-3:] == ["first", "meanwhile", "last"]
    replies = [
        line["mutation"]["data"]["ticketReply"] for line in output_lines if "mutation" in line
    ]
    sequences = {key: sequence for sequence, key in events}
    assert replies == [
        {"message": {"sequence": sequences[key]}, "userErrors": []} for key in ("first", "last")
    ]
    assert [line["connected"] for line in output_lines if "connected" in line] == [True, True]
    assert CloseCode.ABNORMAL_CLOSURE in [
        line["closed"] for line in output_lines if "closed" in line
    ]


async def client_output(
    server: Server, paul: Client, ticket: str, script: str, url: str
) -> AsyncGenerator[dict[str, Any], None]:
    """What a script prints. After its first message the server is killed and restarted, and
    another message is sent.
    """
    node = await asyncio.create_subprocess_exec(
        "node",
        f"tests/clients/{script}",
        url,
        str(paul.token),
        ticket,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert node.stdin
    assert node.stdout
    try:
        async for line in node.stdout:
            output_line = orjson.loads(line)
            yield output_line
            if output_line.get("key") == "first":
                await server.kill_and_restart()
                message = {"ticketId": ticket, "body": "meanwhile", "clientMessageId": "meanwhile"}
                await paul.mutate(
                    "ticketReply", "TicketReplyInput", message, "message { sequence }"
                )
                node.stdin.write(b"reconnect\n")
        assert await node.wait() == 0
    finally:
        if node.returncode is None:
            node.kill()
            await node.wait()


async def test_anonymous_clients_see_no_schema_over_the_websocket(server: Server) -> None:
    """The same rule as over HTTP."""
    async with Client(server).socket() as websocket:
        introspection_reply = await (
            await websocket.subscribe("{ __schema { types { name } } }")
        ).queue.get()
        misspelled_reply = await (
            await websocket.subscribe("{ offerz { nodes { slug } } }")
        ).queue.get()
    assert (
        introspection_reply["type"],
        introspection_reply["payload"][0]["extensions"]["code"],
    ) == (
        "error",
        "FORBIDDEN",
    )
    assert "offers" not in misspelled_reply["payload"][0]["message"]
