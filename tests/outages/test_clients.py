"""Apollo Client, urql and Python's gql, set up as docs/clients.md says, follow tickets through an
outage of the database and a killed server: nothing is missing, nothing is repeated, nothing ends.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from gql import Client as Gql
from gql.transport.websockets import WebsocketsTransport

from bench.proxy import Proxy
from docs.clients.ticket_events import ticket_events
from realtime.messages import SUBPROTOCOL
from tests.outages.test_chats import post
from tests.people import PASSWORD, sign_up
from tests.story.server_fixtures import ROOT, Client, Server
from tests.waiting import MAX_WAIT

NAMES = ("apollo", "urql", "gql")
EMAIL = "clients@boulangerie.example"
SESSION = "session { accessToken refreshToken }"


class Session:
    """A session of its own, whose tokens can be refreshed."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.access_token = self.refresh_token = ""

    async def sign_in(self) -> "Session":
        await self._renew("sessionSignIn", {"email": EMAIL, "password": PASSWORD})
        return self

    async def refresh(self) -> None:
        """Get new tokens. The previous access token is no longer accepted, but its websockets stay
        open.
        """
        await self._renew("sessionRefresh", {"refreshToken": self.refresh_token})

    async def _renew(self, mutation: str, arguments: dict[str, str]) -> None:
        input_type = f"{mutation[0].upper()}{mutation[1:]}Input"
        payload = await Client(self.server).mutate(mutation, input_type, arguments, SESSION)
        self.access_token = payload["session"]["accessToken"]
        self.refresh_token = payload["session"]["refreshToken"]


@dataclass
class Received:
    """The events that each client received, and everything else that it printed."""

    events: dict[str, list[tuple[int, str | None]]] = field(
        default_factory=lambda: {name: [] for name in NAMES}
    )
    other_messages: list[dict[str, Any]] = field(default_factory=list)

    async def wait_for(self, key: str, names: tuple[str, ...] = NAMES) -> None:
        """Wait until each of these clients has received the message with this key."""
        async with asyncio.timeout(MAX_WAIT):
            while not all(key in [key for _, key in self.events[name]] for name in names):
                await asyncio.sleep(0.05)

    async def read(self, stdout: asyncio.StreamReader) -> None:
        """Read what clients.mjs prints."""
        async for line in stdout:
            message = orjson.loads(line)
            if "sequence" in message:
                self.events[message["client"]].append((message["sequence"], message["key"]))
            else:
                self.other_messages.append(message)

    async def follow_with_gql(self, session: Session, ticket_id: str) -> None:
        async def access_token() -> str:
            return session.access_token

        transport = WebsocketsTransport(
            f"{session.server.url.replace('http', 'ws')}/graphql",
            init_payload={"authorization": f"Bearer {session.access_token}"},
            subprotocols=[SUBPROTOCOL],
        )
        client: Any = Gql(transport=transport)  # its connect_async is not typed
        gql_session = await client.connect_async(reconnecting=True)
        try:
            async for event in ticket_events(gql_session, access_token, ticket_id):
                key = event["message"] and event["message"]["clientMessageId"]
                self.events["gql"].append((event["sequence"], key))
        finally:
            await client.close_async()


@asynccontextmanager
async def following(server: Server, tickets: list[str]) -> AsyncIterator[Received]:
    """All clients, each with a ticket of its own. Apollo Client starts with an access token that is
    no longer accepted, and the token with which gql connects is refreshed later.
    """
    received, (*node_tickets, gql_ticket) = Received(), tickets
    node_session, gql_session = await Session(server).sign_in(), await Session(server).sign_in()
    dead_token = node_session.access_token
    await node_session.refresh()
    arguments = [f"{server.url}/graphql", dead_token, node_session.refresh_token, *node_tickets]
    node = await asyncio.create_subprocess_exec(
        "node", "tests/outages/clients.mjs", *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert node.stdout
    read_task = asyncio.create_task(received.read(node.stdout))
    gql_task = asyncio.create_task(received.follow_with_gql(gql_session, gql_ticket))
    try:
        await received.wait_for("opened")
        await gql_session.refresh()
        yield received
    finally:
        if node.returncode is None:
            node.kill()
        await node.wait()
        gql_task.cancel()
        await asyncio.gather(read_task, gql_task, return_exceptions=True)


async def test_every_client_resumes_after_an_outage_and_a_kill(
    server: Server, proxy: Proxy
) -> None:
    paul = await sign_up(server, EMAIL)
    tickets = [await paul.open_chat(number) for number in range(len(NAMES))]
    await post(paul, "opened", tickets)
    async with following(server, tickets) as received:
        # The database goes away without a word, while messages are posted.
        proxy.drop()
        post_task = asyncio.create_task(post(paul, "during", tickets))
        async with asyncio.timeout(MAX_WAIT):
            while not (await paul.execute("{ viewer { user { name } } }")).get("errors"):
                await asyncio.sleep(0.05)
        proxy.forward()
        assert set(await post_task) <= {"SERVICE_UNAVAILABLE"}
        await received.wait_for("during")

        server.kill()
        await asyncio.to_thread(server.start)
        await post(paul, "after", tickets)
        await received.wait_for("after")
        await received.wait_for("thanks", ("apollo", "urql"))

    for name in NAMES:
        sequences = [sequence for sequence, _ in received.events[name]]
        assert sequences == list(range(1, len(sequences) + 1)), name
        keys = [key for _, key in received.events[name] if key]
        assert keys[1:4] == ["opened", "during", "after"]
    assert {"refreshed": True} in received.other_messages
    assert [message for message in received.other_messages if "failed" in message] == []
    users = [message["client"] for message in received.other_messages if "user" in message]
    assert users == ["apollo", "urql"]
    replies = [message for message in received.other_messages if "reply" in message]
    assert [reply["reply"]["userErrors"] for reply in replies] == [[], []]
