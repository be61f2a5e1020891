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

MESSAGES_PER_WRITER = 12  # per user and chat
EVENTS_SUBSCRIPTION = """subscription($id: ID!, $after: BigInt) {
    ticketEvents(ticketId: $id, after: $after) {
    sequence message { clientMessageId } } }"""
REPLY_MUTATION = (
    "mutation($input: TicketReplyInput!) { ticketReply(input: $input) { message { sequence } "
    "userErrors { code } } }"
)
STORED_QUERY = """query($id: ID!) { node(id: $id) { ... on Ticket { lastSequence
    messages(first: 100) { totalCount nodes { sequence clientMessageId } } } } }"""


@dataclass(frozen=True)
class Load:
    """The number of companies and of chats per company, and after how many acknowledged messages
    the server is killed.
    """

    companies: int
    chats_per_company: int
    kill_after: tuple[int, int]

    @property
    def chats(self) -> int:
        return self.companies * self.chats_per_company


LOADS = [
    pytest.param(Load(3, 4, (90, 190)), id="288 messages"),
    pytest.param(Load(5, 10, (340, 800)), id="1200 messages", marks=pytest.mark.long),
]


@dataclass
class Writer:
    """One user's messages in one chat, each repeated until it is acknowledged."""

    client: Client
    chat: str
    name: str
    acknowledged_sequences: dict[str, int] = field(default_factory=dict)
    failed_requests: int = 0

    async def write(self, http: httpx.AsyncClient) -> None:
        for number in range(MESSAGES_PER_WRITER):
            key = f"{self.name}-{number}"
            while key not in self.acknowledged_sequences:
                await self._try_to_send(http, key)

    async def _try_to_send(self, http: httpx.AsyncClient, key: str) -> None:
        input_value = {"ticketId": self.chat, "body": f"Message {key}", "clientMessageId": key}
        headers = {"Authorization": f"Bearer {self.client.token}"}
        try:
            response = await http.post(
                "/graphql",
                json={"query": REPLY_MUTATION, "variables": {"input": input_value}},
                headers=headers,
            )
        except httpx.TransportError:
            self.failed_requests += 1
            await asyncio.sleep(0.2)
            return
        payload = response.json()["data"]["ticketReply"]
        assert payload["userErrors"] == [], payload
        self.acknowledged_sequences[key] = payload["message"]["sequence"]


@dataclass
class Reader:
    """All events that one user receives in their chats, over as many connections as it takes."""

    client: Client
    chats: list[str]
    seen: dict[str, list[tuple[int, str | None]]] = field(default_factory=dict)
    sockets: int = 0

    async def read(self) -> None:
        """Reads until cancelled."""
        while True:
            with suppress(OSError, EOFError, WebSocketException):
                url = self.client.server.url.replace("http", "ws") + "/graphql"
                async with connect(
                    url, subprotocols=[Subprotocol("graphql-transport-ws")]
                ) as websocket:
                    await self._follow(websocket)
            await asyncio.sleep(0.1)

    async def _follow(self, websocket: ClientConnection) -> None:
        await _send(
            websocket,
            type="connection_init",
            payload={"authorization": f"Bearer {self.client.token}"},
        )
        assert orjson.loads(await websocket.recv()) == {"type": "connection_ack"}
        self.sockets += 1
        for each in self.chats:
            payload = {
                "query": EVENTS_SUBSCRIPTION,
                "variables": {"id": each, "after": self.last(each)},
            }
            await _send(websocket, id=each, type="subscribe", payload=payload)
        async for text in websocket:
            await self._receive(websocket, orjson.loads(text))

    async def _receive(self, websocket: ClientConnection, message: dict[str, Any]) -> None:
        if message["type"] == "ping":
            return await _send(websocket, type="pong")
        assert message["type"] == "next", message
        event = message["payload"]["data"]["ticketEvents"]
        message_data = event["message"] or {"clientMessageId": None}
        self.seen.setdefault(message["id"], []).append(
            (event["sequence"], message_data["clientMessageId"])
        )
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
        client.token: [await client.open_chat(number) for number in range(load.chats_per_company)]
        for client in customers
    }
    readers = [Reader(client, chats[client.token]) for client in customers]
    readers.append(Reader(agent, [each for reader in readers for each in reader.chats]))
    writers = [
        Writer(client, each, name)
        for reader in readers[:-1]
        for each in reader.chats
        for client, name in ((reader.client, "customer"), (agent, "agent"))
    ]
    read_tasks = [asyncio.create_task(reader.read()) for reader in readers]
    await asyncio.gather(
        write_all(server, writers), kill_server_repeatedly(server, load, writers, readers)
    )
    for each in readers[-1].chats:  # a reader that received this one has received any duplicates
        last = {"ticketId": each, "body": "Last", "clientMessageId": "last"}
        await agent.mutate("ticketReply", "TicketReplyInput", last, "message { sequence }")
    stored_chats = {each: await stored_messages(agent, each) for each in readers[-1].chats}
    await wait_until_all_read(readers, read_tasks, stored_chats)
    assert_no_loss_or_duplicate(load, readers, writers, stored_chats)


async def write_all(server: Server, writers: list[Writer]) -> None:
    async def write_in_pairs(pair: list[Writer]) -> None:
        async with http_client(base_url=server.url) as http:
            await asyncio.gather(*(writer.write(http) for writer in pair))

    await asyncio.gather(
        *(write_in_pairs(writers[start : start + 2]) for start in range(0, len(writers), 2))
    )


async def kill_server_repeatedly(
    server: Server, load: Load, writers: list[Writer], readers: list[Reader]
) -> None:
    """Kills the server while messages are in progress: some get no response, and all websockets are
    lost.
    """
    for number, count in enumerate(load.kill_after, start=1):
        while sum(len(writer.acknowledged_sequences) for writer in writers) < count:
            await asyncio.sleep(0.01)
        failed_requests = sum(writer.failed_requests for writer in writers)
        sockets = [reader.sockets for reader in readers]
        server.kill()
        await asyncio.to_thread(server.start)
        assert sum(writer.failed_requests for writer in writers) > failed_requests
        assert min(sockets) >= number


async def stored_messages(agent: Client, chat: str) -> tuple[int, dict[str, int]]:
    """The sequence of a chat's last event, and of each message by its client's id."""
    ticket = (await agent.data(STORED_QUERY, id=chat))["node"]
    nodes = ticket["messages"]["nodes"]
    sequence_by_key = {
        node["clientMessageId"]: node["sequence"] for node in nodes if node["clientMessageId"]
    }
    assert (
        ticket["messages"]["totalCount"]
        == len(nodes)
        == len({node["clientMessageId"] for node in nodes})
    )
    return ticket["lastSequence"], sequence_by_key


async def wait_until_all_read(
    readers: list[Reader],
    read_tasks: list[asyncio.Task[None]],
    stored_chats: dict[str, tuple[int, dict[str, int]]],
) -> None:
    async with asyncio.timeout(120):
        while any(
            reader.last(each) < stored_chats[each][0] for reader in readers for each in reader.chats
        ):
            assert not any(task.done() for task in read_tasks)
            await asyncio.sleep(0.1)
    for task in read_tasks:
        task.cancel()
    results = await asyncio.gather(*read_tasks, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in results), results


def assert_no_loss_or_duplicate(
    load: Load,
    readers: list[Reader],
    writers: list[Writer],
    stored_chats: dict[str, tuple[int, dict[str, int]]],
) -> None:
    assert len(stored_chats) == load.chats
    assert (
        sum(len(writer.acknowledged_sequences) for writer in writers)
        == load.chats * 2 * MESSAGES_PER_WRITER
    )
    for reader in readers:
        assert reader.sockets > len(load.kill_after)
        for each in reader.chats:
            last, sequence_by_key = stored_chats[each]
            assert [sequence for sequence, _ in reader.seen[each]] == list(range(1, last + 1))
            assert {key: sequence for sequence, key in reader.seen[each] if key} == sequence_by_key
    for writer in writers:
        pair = {
            key: sequence
            for key, sequence in stored_chats[writer.chat][1].items()
            if key.startswith(f"{writer.name}-")
        }
        assert pair == writer.acknowledged_sequences
        assert list(pair.values()) == sorted(pair.values())
