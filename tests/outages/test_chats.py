"""Chats of npm's graphql-ws with its default settings continue by themselves after an outage of the
database and after the server was killed: nothing is missing, nothing is repeated, nothing ends.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from bench.proxy import Proxy
from tests.people import sign_up
from tests.story.server_fixtures import ROOT, Client, Server
from tests.waiting import MAX_WAIT

CHATS = 4
REPLY = """mutation($i: TicketReplyInput!) { ticketReply(input: $i) {
    message { sequence } userErrors { code } } }"""


@dataclass
class Chats:
    """What graphql-ws prints: the events of each chat, and everything else."""

    process: asyncio.subprocess.Process
    events: dict[str, list[tuple[int, str | None]]] = field(default_factory=dict)
    other_messages: list[dict[str, Any]] = field(default_factory=list)

    async def read(self) -> None:
        assert self.process.stdout
        async for line in self.process.stdout:
            message = orjson.loads(line)
            if "sequence" in message:
                events = self.events.setdefault(message["id"], [])
                events.append((message["sequence"], message["key"]))
            else:
                self.other_messages.append(message)

    def start_following(self, chat: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{chat}\n".encode())

    async def has_received(self, key: str, chats: list[str]) -> None:
        """Wait until every chat has received the message with this key."""
        deadline = time.monotonic() + MAX_WAIT
        while not all(
            any(event_key == key for _, event_key in self.events.get(chat, [])) for chat in chats
        ):
            assert time.monotonic() < deadline, (self.events, self.other_messages)
            await asyncio.sleep(0.05)


@asynccontextmanager
async def graphql_ws(client: Client) -> AsyncIterator[Chats]:
    process = await asyncio.create_subprocess_exec(
        "node",
        "tests/outages/chats.mjs",
        f"{client.server.url.replace('http', 'ws')}/graphql",
        str(client.token),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    chats = Chats(process)
    read_task = asyncio.create_task(chats.read())
    try:
        yield chats
    finally:
        process.kill()
        await process.wait()
        await read_task


async def post(client: Client, key: str, chats: list[str]) -> list[str]:
    """Post a message in each chat, repeated until it is acknowledged. Returns the codes of the
    errors met.
    """
    return [code for chat in chats for code in await _post(client, key, chat)]


async def _post(client: Client, key: str, chat: str) -> list[str]:
    codes: list[str] = []
    async with asyncio.timeout(MAX_WAIT):
        while True:
            arguments = {"ticketId": chat, "body": key, "clientMessageId": key}
            response = await client.execute(REPLY, i=arguments)
            if "errors" not in response:
                assert response["data"]["ticketReply"]["userErrors"] == []
                return codes
            codes.append(response["errors"][0]["extensions"]["code"])
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("failure", ["drop", "reset"])
async def test_chats_continue_after_an_outage_and_a_kill(
    server: Server, proxy: Proxy, failure: str
) -> None:
    client = await sign_up(server, "npm@boulangerie.example")
    chats = [await client.open_chat(number) for number in range(CHATS + 1)]
    *first_chats, late_chat = chats
    async with graphql_ws(client) as received:
        for chat in first_chats:
            received.start_following(chat)
        await post(client, "before", chats)
        await received.has_received("before", first_chats)

        # The database goes away while messages are posted and another chat is opened.
        getattr(proxy, failure)()
        post_task = asyncio.create_task(post(client, "during", chats))
        received.start_following(late_chat)
        if failure == "drop":
            await asyncio.sleep(0)
            async with asyncio.timeout(MAX_WAIT):
                while not (await client.execute("{ viewer { user { name } } }")).get("errors"):
                    await asyncio.sleep(0.05)
            proxy.forward()
        assert set(await post_task) <= {"SERVICE_UNAVAILABLE"}
        await received.has_received("during", chats)

        # The server is killed while the database is away, and starts once it is back.
        proxy.drop()
        server.kill()
        proxy.forward()
        await asyncio.to_thread(server.start)
        await post(client, "after", chats)
        await received.has_received("after", chats)

    for chat in chats:
        sequences = [sequence for sequence, _ in received.events[chat]]
        assert sequences == list(range(1, len(sequences) + 1))
        keys = [key for _, key in received.events[chat] if key]
        assert keys[-3:] == ["before", "during", "after"]
    kinds = {next(iter(message)) for message in received.other_messages}
    assert kinds <= {"connected", "closed"}, received.other_messages


async def test_a_client_that_connects_during_the_outage_is_served_after_it(
    server: Server, proxy: Proxy
) -> None:
    client = await sign_up(server, "npm@boulangerie.example")
    chat = await client.open_chat()
    proxy.drop()
    initial_drop_count = proxy.dropped
    async with graphql_ws(client) as received:
        received.start_following(chat)
        async with asyncio.timeout(MAX_WAIT):
            while proxy.dropped < initial_drop_count + 3:
                await asyncio.sleep(0.05)
        assert not received.events
        proxy.forward()
        await post(client, "after", [chat])
        await received.has_received("after", [chat])
    sequences = [sequence for sequence, _ in received.events[chat]]
    assert sequences == list(range(1, len(sequences) + 1))
