"""P5.5: web and worker processes are killed in the middle of live chats: while chats are opened,
claimed, answered, transferred, released, and agents go away and come back.

Each chat ends up with one agent, no chat waits although somebody could take it, chats that an agent
leaves are back at their places, each acknowledged message and chat is stored once, and each client
receives each event once. People act at random and repeat each request until it is answered.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from models.global_ids import decode, encode
from tests.forked import ROOT, ForkedProcess
from tests.people import hire, sign_up
from tests.story.server_fixtures import Client, Server, http_client, run_server
from tests.story.test_processes import answer_day_and_night
from tests.waiting import MAX_WAIT, driver_url

TICKET_EVENTS = """subscription($id: ID!, $after: BigInt) {
    ticketEvents(ticketId: $id, after: $after) { sequence message { clientMessageId } } }"""
INBOX_EVENTS = "subscription($after: BigInt) { inboxEvents(after: $after) { sequence } }"
AGENT_EVENTS = "subscription($after: BigInt) { agentEvents(after: $after) { sequence } }"
MINE = "{ tickets(filter: {view: MINE}, first: 100) { nodes { id } } }"
CHATS = """SELECT t.id, t.assignee_id, c.agent_id, c.state, c.queued_at FROM ticket t
    JOIN live_chat c ON c.ticket_id = t.id ORDER BY c.queued_at, t.id"""
MESSAGES = "SELECT ticket_id, client_message_id, sequence, author_id FROM message"
EVENTS = "SELECT sequence FROM event WHERE stream = $1 ORDER BY sequence"
CAPACITY = "UPDATE agent_profile SET chat_capacity = $1"


@dataclass(frozen=True)
class Load:
    """The chats at the beginning, how often each person acts, and after how many of all actions a
    process is killed: the web server and the worker in turn.
    """

    chats: int
    actions: int
    kill_after: tuple[int, ...]
    loses_agent: bool = False  # takes longer than the lease of an agent


LOADS = [
    pytest.param(Load(4, 24, (20, 45)), id="short"),
    pytest.param(Load(12, 250, tuple(range(60, 700, 60)), True), id="long", marks=pytest.mark.long),
]


@dataclass
class Person:
    """A customer or an agent, who repeats each request until it is answered, and keeps their
    subscriptions over as many websockets as it takes.
    """

    client: Client
    name: str
    user_id: int
    subscriptions: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    seen: dict[str, list[tuple[int, str | None]]] = field(default_factory=dict)
    acknowledged: dict[str, tuple[int, int]] = field(default_factory=dict)  # chat and sequence
    websocket: ClientConnection | None = None
    sockets: int = 0
    done: int = 0
    repeated: int = 0

    async def request(
        self, http: httpx.AsyncClient, name: str, selection: str = "", **values: Any
    ) -> dict[str, Any]:
        """The payload of a mutation."""
        query = (
            f"mutation($i: {name[0].upper()}{name[1:]}Input!) "
            f"{{ {name}(input: $i) {{ {selection} userErrors {{ code }} }} }}"
        )
        headers = {"Authorization": f"Bearer {self.client.token}"}
        body = {"query": query, "variables": {"i": values}}
        while True:
            with suppress(httpx.TransportError):
                response = (await http.post("/graphql", json=body, headers=headers)).json()
                if "errors" not in response:
                    self.done += 1
                    return dict(response["data"][name])
                codes = {error["extensions"]["code"] for error in response["errors"]}
                assert codes == {"SERVICE_UNAVAILABLE"}, response
            self.repeated += 1
            await asyncio.sleep(0.05)

    async def open_chat(self, http: httpx.AsyncClient, number: int) -> str:
        values = {"subject": "Chat", "body": "Bonjour", "channel": "CHAT"}
        key = f"chat-{number}"
        payload = await self.request(
            http, "ticketOpen", "ticket { id }", idempotencyKey=key, **values
        )
        assert payload["userErrors"] == []
        chat = str(payload["ticket"]["id"])
        await self.subscribe(chat, TICKET_EVENTS, id=chat)
        return chat

    async def reply(self, http: httpx.AsyncClient, chat: str, number: int) -> None:
        key = f"{self.name}-{number}"
        values = {"ticketId": chat, "body": f"Message {key}", "clientMessageId": key}
        payload = await self.request(http, "ticketReply", "message { sequence }", **values)
        assert payload["userErrors"] == [], payload
        self.acknowledged[key] = (row_id(chat), payload["message"]["sequence"])

    async def subscribe(self, key: str, query: str, **variables: Any) -> None:
        """Start a subscription, and again on each later websocket."""
        self.seen[key] = []
        self.subscriptions[key] = (query, variables)
        if self.websocket:
            with suppress(WebSocketException):
                await self._start(self.websocket, key)

    async def stay_connected(self) -> None:
        """Read until cancelled."""
        url = self.client.server.url.replace("http", "ws") + "/graphql"
        protocols = [Subprotocol("graphql-transport-ws")]
        while True:
            with suppress(OSError, EOFError, WebSocketException):
                async with connect(url, subprotocols=protocols, max_queue=1024) as websocket:
                    try:
                        await self._follow(websocket)
                    finally:
                        self.websocket = None
            await asyncio.sleep(0.05)

    async def _follow(self, websocket: ClientConnection) -> None:
        payload = {"authorization": f"Bearer {self.client.token}"}
        await _send(websocket, type="connection_init", payload=payload)
        assert orjson.loads(await websocket.recv()) == {"type": "connection_ack"}
        self.sockets += 1
        started: set[str] = set()
        while missing := self.subscriptions.keys() - started:
            for key in missing:
                await self._start(websocket, key)
            started |= missing
        self.websocket = websocket
        async for text in websocket:
            message = orjson.loads(text)
            if message["type"] == "ping":
                await _send(websocket, type="pong")
                continue
            assert message["type"] == "next", message
            (event,) = message["payload"]["data"].values()
            posted = event.get("message") or {"clientMessageId": None}
            self.seen[message["id"]].append((event["sequence"], posted["clientMessageId"]))

    async def _start(self, websocket: ClientConnection, key: str) -> None:
        query, variables = self.subscriptions[key]
        after = self.seen[key][-1][0] if self.seen[key] else 0
        payload = {"query": query, "variables": variables | {"after": after}}
        await _send(websocket, id=key, type="subscribe", payload=payload)


async def _send(websocket: ClientConnection, **message: Any) -> None:
    await websocket.send(orjson.dumps(message).decode())


def row_id(global_id: str) -> int:
    decoded = decode(global_id)
    assert decoded
    return decoded[1]


@dataclass
class Story:
    """A web server and a worker on one database, the people, and their chats."""

    web: Server
    rng: random.Random
    http: httpx.AsyncClient
    worker: ForkedProcess | None = None
    people: list[Person] = field(default_factory=list)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)  # by names of people
    chats: list[str] = field(default_factory=list)

    @property
    def customer(self) -> Person:
        return self.people[0]

    @property
    def agents(self) -> list[Person]:
        return self.people[1:]

    def start_worker(self) -> None:
        log, environment = self.web.folder / "worker log", self.web.environment
        self.worker = ForkedProcess(["work"], cwd=ROOT, env=environment, stdout=log, stderr=log)

    async def kill_worker(self) -> None:
        assert self.worker
        self.worker.kill()
        await asyncio.to_thread(self.worker.wait)
        self.start_worker()

    async def add(self, client: Client, name: str) -> Person:
        viewer = await client.data("{ viewer { user { id } } }")
        person = Person(client, name, row_id(viewer["viewer"]["user"]["id"]))
        self.people.append(person)
        self.tasks[name] = asyncio.create_task(person.stay_connected())
        return person

    async def set_availability(self, agent: Person, availability: str) -> None:
        name = "agentSetChatAvailability"
        payload = await agent.request(self.http, name, availability=availability)
        assert payload["userErrors"] == []

    async def rows(self, statement: str, *values: Any) -> list[Any]:
        connection = await asyncpg.connect(driver_url(self.web.database_url))
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    async def wait_until_answered(self) -> list[Any]:
        """Wait until every chat has an agent."""
        async with asyncio.timeout(MAX_WAIT):
            while True:
                rows = await self.rows(CHATS)
                if all(row["state"] == "ACTIVE" for row in rows):
                    return rows
                await asyncio.sleep(0.05)

    async def answer_all(self) -> None:
        """Let agents answer all of their chats, so that they keep them when they leave."""
        chats = {row_id(chat): chat for chat in self.chats}
        for row in await self.wait_until_answered():
            (agent,) = [each for each in self.agents if each.user_id == row["agent_id"]]
            await agent.reply(self.http, chats[row["id"]], 1_000 + agent.done)

    async def wait_for_places(self, chats: Sequence[str]) -> None:
        """Wait until these chats, and no others, wait in this order."""
        query = "query($id: ID!) { node(id: $id) { ... on Ticket { chat { position } } } }"
        found: list[int | None] = []
        async with asyncio.timeout(MAX_WAIT):
            while found != [*range(1, len(chats) + 1)]:
                await asyncio.sleep(0.05)
                nodes = [await self.customer.client.data(query, id=chat) for chat in chats]
                found = [node["node"]["chat"]["position"] for node in nodes]


@asynccontextmanager
async def running_story(url: str, folder: Path) -> AsyncIterator[Story]:
    await answer_day_and_night(url)
    web = Server(url, folder, options=("--no-worker",))
    with run_server(web):
        async with http_client(base_url=web.url) as http:
            story = Story(web, random.Random("chats"), http)
            story.start_worker()
            try:
                await story.add(await sign_up(web, "paul@boulangerie.example"), "paul")
                for name in ("alice", "bruno"):
                    staff = await hire(web, f"{name}@camcha.example", "AGENT")
                    agent = await story.add(await staff.sign_in(web), name)
                    await agent.subscribe("inbox", INBOX_EVENTS)
                    await agent.subscribe(f"agent:{agent.user_id}", AGENT_EVENTS)
                yield story
            finally:
                for task in story.tasks.values():
                    task.cancel()
                await asyncio.gather(*story.tasks.values(), return_exceptions=True)
                assert story.worker
                story.worker.terminate()
                await asyncio.to_thread(story.worker.wait, MAX_WAIT)


async def act_as_customer(story: Story, load: Load) -> None:
    for number in range(load.actions):
        if story.rng.random() < 0.15:
            story.chats.append(await story.customer.open_chat(story.http, len(story.chats)))
        else:
            await story.customer.reply(story.http, story.rng.choice(story.chats), number)


async def act_as_agent(story: Story, agent: Person, load: Load) -> None:
    """Act at random. Each action either has its result or is refused because of another agent."""
    others = [each.user_id for each in story.agents if each is not agent]
    for number in range(load.actions):
        chat, choice = story.rng.choice(story.chats), story.rng.random()
        assignee = "ticket { assignee { id } }"
        if choice < 0.4:
            await agent.reply(story.http, chat, number)
        elif choice < 0.6:
            payload = await agent.request(story.http, "ticketClaim", assignee, ticketId=chat)
            check_assignee(payload, agent.user_id, "ALREADY_CLAIMED")
        elif choice < 0.75:
            colleague = story.rng.choice(others)
            payload = await agent.request(
                story.http,
                "ticketTransfer",
                assignee,
                ticketId=chat,
                userId=encode("User", colleague),
            )
            check_assignee(payload, colleague, "NOT_ASSIGNED")
        elif choice < 0.85:
            payload = await agent.request(story.http, "ticketRelease", ticketId=chat)
            assert payload["userErrors"] in ([], [{"code": "NOT_ASSIGNED"}])
        elif agent is story.agents[0]:  # who stays, so that each chat finds somebody
            await story.set_availability(agent, "AVAILABLE")
        else:
            await story.set_availability(agent, story.rng.choice(["AWAY", "AVAILABLE"]))


def check_assignee(payload: dict[str, Any], user_id: int, refusal: str) -> None:
    """Either the person has the chat, or another one had it."""
    if payload["userErrors"]:
        assert payload["userErrors"] == [{"code": refusal}]
    elif payload["ticket"]["assignee"]:  # otherwise released meanwhile
        assert row_id(payload["ticket"]["assignee"]["id"]) == user_id


async def kill_repeatedly(story: Story, load: Load) -> None:
    """Kill a process while requests are under way."""
    for number, count in enumerate(load.kill_after):
        while sum(person.done for person in story.people) < count:
            await asyncio.sleep(0.005)
        if number % 2:
            await story.kill_worker()
        else:
            repeated = sum(person.repeated for person in story.people)
            await story.web.kill_and_restart()
            assert sum(person.repeated for person in story.people) > repeated


async def leave(story: Story) -> None:
    """An agent goes away whose chats wait for a first answer, and both processes are killed: the
    chats are back before those that came later.
    """
    alice, bruno = story.agents
    await story.answer_all()
    await story.set_availability(bruno, "AWAY")
    taken = [await story.customer.open_chat(story.http, len(story.chats) + n) for n in range(2)]
    await story.wait_until_answered()
    await story.rows(CAPACITY, 0)
    later = [await story.customer.open_chat(story.http, len(story.chats) + n) for n in (2, 3)]
    story.chats += taken + later
    await story.wait_for_places(later)
    await story.set_availability(alice, "AWAY")
    story.web.kill()
    await story.kill_worker()
    await asyncio.to_thread(story.web.start)
    await story.wait_for_places(taken + later)
    await story.rows(CAPACITY, 1_000)
    for agent in story.agents:
        await story.set_availability(agent, "AVAILABLE")


async def lose(story: Story) -> None:
    """An agent is cut off by a kill and doesn't come back: what customers wait for is answered by
    others, in the order in which they came.
    """
    alice, bruno = story.agents
    await story.answer_all()
    await story.set_availability(bruno, "AWAY")
    first = len(story.chats)
    story.chats += [await story.customer.open_chat(story.http, first + n) for n in range(3)]
    await story.wait_until_answered()
    await alice.reply(story.http, story.chats[-1], 10_000)  # the customer waits for nothing more
    story.tasks["alice"].cancel()
    await story.web.kill_and_restart()
    await story.wait_for_places(story.chats[-3:-1])
    rows = {row["id"]: row for row in await story.rows(CHATS)}
    assert rows[row_id(story.chats[-1])]["agent_id"] == alice.user_id
    await story.set_availability(bruno, "AVAILABLE")
    story.tasks["alice"] = asyncio.create_task(alice.stay_connected())


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("catalogue_url", ["postgres"], indirect=True)
async def test_p5_5_kills_leave_each_chat_one_agent_and_each_message_once(
    catalogue_url: str, tmp_path: Path, load: Load
) -> None:
    async with running_story(catalogue_url, tmp_path) as story:
        for agent in story.agents:
            await story.set_availability(agent, "AVAILABLE")
        await story.rows(CAPACITY, 1_000)
        for number in range(load.chats):
            story.chats.append(await story.customer.open_chat(story.http, number))
        await asyncio.gather(
            act_as_customer(story, load),
            *(act_as_agent(story, agent, load) for agent in story.agents),
            kill_repeatedly(story, load),
        )
        for agent in story.agents:
            await story.set_availability(agent, "AVAILABLE")
        queued = {row["id"]: row["queued_at"] for row in await story.wait_until_answered()}
        await leave(story)
        if load.loses_agent:
            await lose(story)
        chats = await story.wait_until_answered()
        await verify_chats(story, chats)
        assert queued.items() <= {row["id"]: row["queued_at"] for row in chats}.items()
        await verify_messages(story)
        await verify_streams(story)
        assert min(person.sockets for person in story.people) > len(load.kill_after) // 2
    for log in ("log", "worker log"):
        assert "Traceback" not in (tmp_path / log).read_text()


async def verify_chats(story: Story, rows: list[Any]) -> None:
    """Each chat that was opened exists once, and is in the list of one agent."""
    assert {row["id"] for row in rows} == {row_id(chat) for chat in story.chats}
    assert len(rows) == len(story.chats)
    assert all(row["assignee_id"] == row["agent_id"] for row in rows)
    for agent in story.agents:
        listed = (await agent.client.data(MINE))["tickets"]["nodes"]
        held = {row["id"] for row in rows if row["agent_id"] == agent.user_id}
        assert {row_id(node["id"]) for node in listed} == held


async def verify_messages(story: Story) -> None:
    """Each acknowledged message is stored once, where the response said, and nothing else is."""
    rows = await story.rows(MESSAGES)
    for person in story.people:
        stored = [
            (row["client_message_id"], row["ticket_id"], row["sequence"])
            for row in rows
            if row["author_id"] == person.user_id and "-" in row["client_message_id"]
        ]
        own = [row for row in stored if row[0].startswith(f"{person.name}-")]
        assert Counter(own) == Counter((key, *at) for key, at in person.acknowledged.items())
    assert len(rows) == len(story.chats) + sum(len(each.acknowledged) for each in story.people)


async def verify_streams(story: Story) -> None:
    """Each client has received every event of the database once, in order."""
    for person in story.people:
        for key in person.subscriptions:
            is_chat = key in story.chats
            stream = f"ticket:{row_id(key)}" if is_chat else key
            expected = [row["sequence"] for row in await story.rows(EVENTS, stream)]
            assert expected == [*range(1, len(expected) + 1)]
            async with asyncio.timeout(MAX_WAIT):
                while len(person.seen[key]) < len(expected):
                    assert not story.tasks[person.name].done()
                    await asyncio.sleep(0.05)
            assert [sequence for sequence, _ in person.seen[key]] == expected
    posted = {key: at for person in story.people for key, at in person.acknowledged.items()}
    received = {
        key: (row_id(chat), sequence)
        for chat in story.chats
        for sequence, key in story.customer.seen[chat]
        if key in posted
    }
    assert received == posted
