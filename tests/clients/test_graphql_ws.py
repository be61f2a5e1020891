"""npm's graphql-ws talks to our server: query, mutation, subscription, and again after the server was killed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import orjson

from tests.clients.people import chat, customer
from tests.story.server_fixtures import ROOT, Client, Server


async def test_a_subscription_goes_on_after_a_kill(server: Server) -> None:
    paul = await customer(server, "npm@boulangerie.example")
    ticket = await chat(paul)
    async with asyncio.timeout(120), aclosing(what_node_sees(server, paul, ticket)) as told:
        seen = [each async for each in told]
    (found,) = [each["query"]["data"] for each in seen if "query" in each]
    assert found == {"node": {"__typename": "Ticket", "id": ticket}}
    (refused,) = [each["refused"] for each in seen if "refused" in each]
    assert "nothingOfThatName" in refused[0]
    events = [(each["sequence"], each.get("key")) for each in seen if "sequence" in each]
    assert [sequence for sequence, _ in events] == list(range(1, len(events) + 1))
    assert [key for _, key in events if key][-3:] == ["first", "meanwhile", "last"]
    answered = [each["mutation"]["data"]["ticketReply"] for each in seen if "mutation" in each]
    stored = {key: sequence for sequence, key in events}
    assert answered == [{"message": {"sequence": stored[key]}, "userErrors": []} for key in ("first", "last")]
    assert [each["connected"] for each in seen if "connected" in each] == [True, True]
    assert 1006 in [each["closed"] for each in seen if "closed" in each]


async def what_node_sees(server: Server, paul: Client, ticket: str) -> AsyncGenerator[dict[str, Any], None]:
    """Each line; once it has seen the first message the server is killed and started, and another message is sent."""
    url = f"{server.url.replace('http', 'ws')}/graphql"
    node = await asyncio.create_subprocess_exec(
        "node",
        "tests/clients/socket.mjs",
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
            seen = orjson.loads(line)
            yield seen
            if seen.get("key") == "first":
                await the_server_is_killed(server)
                given = {"ticketId": ticket, "body": "meanwhile", "clientMessageId": "meanwhile"}
                await paul.do("ticketReply", "TicketReplyInput", given, "message { sequence }")
                node.stdin.write(b"come back\n")
        assert await node.wait() == 0
    finally:
        if node.returncode is None:
            node.kill()
            await node.wait()


async def the_server_is_killed(server: Server) -> None:
    server.kill()
    await asyncio.to_thread(server.start)
