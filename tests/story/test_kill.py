"""P5.5: nothing acknowledged is lost or duplicated, although the server is killed twice under load.

Each chat has a customer and an agent, who both write over HTTP and read over a websocket. Writers
without a response repeat the request with the same clientMessageId, and readers reconnect with
`after:` the last event they received.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from tests.people import hire, sign_up
from tests.story.server_fixtures import Client, Server, http_client

MESSAGES_EACH = 21  # per user and chat
EVENTS = """subscription($id: ID!, $after: BigInt) { ticketEvents(ticketId: $id, after: $after) {
    sequence message { clientMessageId } } }"""
REPLY = (
    "mutation($input: TicketReplyInput!) { ticketReply(input: $input) { message { sequence } "
    "userErrors { code } } }"
)
STORED = """query($id: ID!) { node(id: $id) { ... on Ticket { lastSequence
    messages(first: 100) { totalCount nodes { sequence clientMessageId } } } } }"""


@dataclass(frozen=True)
class Load:
    """The number of companies and of chats per company, and after how many acknowledged messages
    the server is killed.
    """

    companies: int
    chats_each: int
    killed_at: tuple[int, int]

    @property
    def chats(self) -> int:
        return self.companies * self.chats_each


LOADS = [
    pytest.param(Load(3, 4, (150, 340)), id="504 messages"),
    pytest.param(Load(5, 10, (600, 1400)), id="2100 messages", marks=pytest.mark.long),
]


@dataclass
class Writer:
    """One user's messages in one chat, each repeated until it is acknowledged."""

    person: Client
    chat: str
    name: str
    acknowledged: dict[str, int] = field(default_factory=dict)
    unanswered: int = 0

    async def write(self, http: httpx.AsyncClient) -> None:
        for number in range(MESSAGES_EACH):
            key = f"{self.name}-{number}"
            while key not in self.acknowledged:
                await self._try(http, key)

    async def _try(self, http: httpx.AsyncClient, key: str) -> None:
        given = {"ticketId": self.chat, "body": f"Message {key}", "clientMessageId": key}
        headers = {"Authorization": f"Bearer {self.person.token}"}
        try:
            response = await http.post(
                "/graphql", json={"query": REPLY, "variables": {"input": given}}, headers=headers
            )
        except httpx.TransportError:
            self.unanswered += 1
            await asyncio.sleep(0.2)
            return
        payload = response.json()["data"]["ticketReply"]
        assert payload["userErrors"] == [], payload
        self.acknowledged[key] = payload["message"]["sequence"]


@dataclass
class Reader:
    """All events that one user receives in their chats, over as many connections as it takes."""

    person: Client
    chats: list[str]
    seen: dict[str, list[tuple[int, str | None]]] = field(default_factory=dict)
    sockets: int = 0

    async def read(self) -> None:
        """Reads until cancelled."""
        while True:
            with suppress(OSError, EOFError, WebSocketException):
                url = self.person.server.url.replace("http", "ws") + "/graphql"
                async with connect(
                    url, subprotocols=[Subprotocol("graphql-transport-ws")]
                ) as websocket:
                    await self._follow(websocket)
            await asyncio.sleep(0.1)

    async def _follow(self, websocket: ClientConnection) -> None:
        await _send(
            websocket,
            type="connection_init",
            payload={"authorization": f"Bearer {self.person.token}"},
        )
        assert orjson.loads(await websocket.recv()) == {"type": "connection_ack"}
        self.sockets += 1
        for each in self.chats:
            payload = {"query": EVENTS, "variables": {"id": each, "after": self.last(each)}}
            await _send(websocket, id=each, type="subscribe", payload=payload)
        async for text in websocket:
            await self._hear(websocket, orjson.loads(text))

    async def _hear(self, websocket: ClientConnection, message: dict[str, Any]) -> None:
        if message["type"] == "ping":
            return await _send(websocket, type="pong")
        assert message["type"] == "next", message
        event = message["payload"]["data"]["ticketEvents"]
        said = event["message"] or {"clientMessageId": None}
        self.seen.setdefault(message["id"], []).append((event["sequence"], said["clientMessageId"]))
        return None

    def last(self, chat: str) -> int:
        return self.seen[chat][-1][0] if chat in self.seen else 0


async def _send(websocket: ClientConnection, **message: Any) -> None:
    await websocket.send(orjson.dumps(message).decode())


@pytest.mark.parametrize("load", LOADS)
async def test_two_kills_lose_and_duplicate_nothing(server: Server, load: Load) -> None:
    customers = [
        await sign_up(server, f"paul{number}@boulangerie.example")
        for number in range(load.companies)
    ]
    agent = await (await hire(server, "alice@camcha.example", "AGENT")).sign_in(server)
    chats = {
        person.token: [await person.open_chat(number) for number in range(load.chats_each)]
        for person in customers
    }
    readers = [Reader(person, chats[person.token]) for person in customers]
    readers.append(Reader(agent, [each for reader in readers for each in reader.chats]))
    writers = [
        Writer(person, each, name)
        for reader in readers[:-1]
        for each in reader.chats
        for person, name in ((reader.person, "customer"), (agent, "agent"))
    ]
    reading = [asyncio.create_task(reader.read()) for reader in readers]
    await asyncio.gather(
        everybody_writes(server, writers), the_server_is_killed(server, load, writers, readers)
    )
    for each in readers[-1].chats:  # a reader that received this one has received any duplicates
        last = {"ticketId": each, "body": "Last", "clientMessageId": "last"}
        await agent.do("ticketReply", "TicketReplyInput", last, "message { sequence }")
    stored = {each: await stored_in(agent, each) for each in readers[-1].chats}
    await everybody_has_read(readers, reading, stored)
    nothing_is_missing_nothing_is_twice(load, readers, writers, stored)


async def everybody_writes(server: Server, writers: list[Writer]) -> None:
    async def at_a_desk(own: list[Writer]) -> None:
        async with http_client(base_url=server.url) as http:
            await asyncio.gather(*(writer.write(http) for writer in own))

    await asyncio.gather(
        *(at_a_desk(writers[start : start + 2]) for start in range(0, len(writers), 2))
    )


async def the_server_is_killed(
    server: Server, load: Load, writers: list[Writer], readers: list[Reader]
) -> None:
    """Kills the server while messages are in progress: some get no response, and all websockets are
    lost.
    """
    for number, count in enumerate(load.killed_at, start=1):
        while sum(len(writer.acknowledged) for writer in writers) < count:
            await asyncio.sleep(0.01)
        unanswered = sum(writer.unanswered for writer in writers)
        sockets = [reader.sockets for reader in readers]
        server.kill()
        await asyncio.to_thread(server.start)
        assert sum(writer.unanswered for writer in writers) > unanswered
        assert min(sockets) >= number


async def stored_in(agent: Client, chat: str) -> tuple[int, dict[str, int]]:
    """The sequence of a chat's last event, and of each message by its client's id."""
    ticket = (await agent.data(STORED, id=chat))["node"]
    nodes = ticket["messages"]["nodes"]
    keyed = {node["clientMessageId"]: node["sequence"] for node in nodes if node["clientMessageId"]}
    assert (
        ticket["messages"]["totalCount"]
        == len(nodes)
        == len({node["clientMessageId"] for node in nodes})
    )
    return ticket["lastSequence"], keyed


async def everybody_has_read(
    readers: list[Reader],
    reading: list[asyncio.Task[None]],
    stored: dict[str, tuple[int, dict[str, int]]],
) -> None:
    async with asyncio.timeout(120):
        while any(
            reader.last(each) < stored[each][0] for reader in readers for each in reader.chats
        ):
            assert not any(task.done() for task in reading)
            await asyncio.sleep(0.1)
    for task in reading:
        task.cancel()
    ended = await asyncio.gather(*reading, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended


def nothing_is_missing_nothing_is_twice(
    load: Load,
    readers: list[Reader],
    writers: list[Writer],
    stored: dict[str, tuple[int, dict[str, int]]],
) -> None:
    assert len(stored) == load.chats
    assert sum(len(writer.acknowledged) for writer in writers) == load.chats * 2 * MESSAGES_EACH
    for reader in readers:
        assert reader.sockets > len(load.killed_at)
        for each in reader.chats:
            last, keyed = stored[each]
            assert [sequence for sequence, _ in reader.seen[each]] == list(range(1, last + 1))
            assert {key: sequence for sequence, key in reader.seen[each] if key} == keyed
    for writer in writers:
        own = {
            key: sequence
            for key, sequence in stored[writer.chat][1].items()
            if key.startswith(f"{writer.name}-")
        }
        assert own == writer.acknowledged
        assert list(own.values()) == sorted(own.values())
