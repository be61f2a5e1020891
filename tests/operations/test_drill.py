"""The drill: back up while people work, lose everything, restore, and continue."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

import pytest

from models.database.connection import sqlite_path
from tests.conftest import postgres_copy
from tests.operations.backup_fixtures import Installation
from tests.people import sign_up
from tests.story.server_fixtures import SECRET_KEY, Client, Server
from tests.story.test_story import paul_buys
from tests.waiting import MAX_WAIT

EVENTS = """subscription ($id: ID!, $after: BigInt, $epoch: String) {
  ticketEvents(ticketId: $id, after: $after, epoch: $epoch) {
    sequence epoch message { body clientMessageId }
  }
}"""


@pytest.fixture
def server(catalogue_url: str, tmp_path: Path) -> Iterator[Server]:
    server = Server(catalogue_url, tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def empty_database(
    request: pytest.FixtureRequest, catalogue_url: str, tmp_path: Path
) -> Iterator[str]:
    """The URL of a database of the same kind that is empty or doesn't exist."""
    if sqlite_path(catalogue_url):
        yield f"sqlite://{tmp_path}/new/camcha.sqlite3"
        return
    with postgres_copy(request, "template1") as url:
        yield url


class Talk:
    """Somebody who writes as fast as the server responds."""

    def __init__(self, client: Client, ticket_id: str) -> None:
        self.client, self.ticket_id = client, ticket_id
        self.sent: list[str] = []
        self._task = asyncio.create_task(self._write())

    async def post(self, key: str) -> None:
        fields = {"ticketId": self.ticket_id, "body": f"Message {key}", "clientMessageId": key}
        await self.client.mutate("ticketReply", "TicketReplyInput", fields, "message { sequence }")

    async def _write(self) -> None:
        while True:
            key = f"message-{len(self.sent)}"
            await self.post(key)
            self.sent.append(key)

    async def reach(self, count: int) -> None:
        """Wait until this many more messages have been acknowledged."""
        goal = len(self.sent) + count
        async with asyncio.timeout(MAX_WAIT):
            while len(self.sent) < goal:
                assert not self._task.done(), self._task.exception()
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def read_events(client: Client, ticket_id: str) -> list[dict[str, object]]:
    """All events of a ticket."""
    result = await client.data(
        "query ($id: ID!) { node(id: $id) { ... on Ticket { lastSequence } } }", id=ticket_id
    )
    async with client.socket() as websocket:
        subscription = await websocket.subscribe(EVENTS, id=ticket_id, after=0)
        return [await subscription.next() for _ in range(int(result["node"]["lastSequence"]))]


async def error_of(client: Client, **variables: object) -> str:
    """The code of the error with which the subscription fails."""
    async with client.socket() as websocket:
        subscription = await websocket.subscribe(EVENTS, **variables)
        message = await asyncio.wait_for(subscription.queue.get(), MAX_WAIT)
        assert message["type"] == "error", message
        return str(message["payload"][0]["extensions"]["code"])


@contextmanager
def disaster(server: Server) -> Iterator[None]:
    """Kills the server, and deletes its files and its SQLite database. Starts it afterwards."""
    server.kill()
    rmtree(server.folder / "files")
    if path := sqlite_path(server.database_url):
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    yield
    server.start()


async def test_p6_4_after_a_disaster_a_backup_is_restored_and_clients_go_on(
    server: Server, empty_database: str, tmp_path: Path
) -> None:
    def installation() -> Installation:
        files = str(server.folder / "files")
        return Installation(server.database_url, files, tmp_path, {}, secret_key=SECRET_KEY)

    paul = await sign_up(server, "paul@boulangerie.example")
    invoice = await paul_buys(paul)
    ticket_id = await paul.open_chat()
    talk = Talk(paul, ticket_id)
    await talk.reach(10)
    backup = asyncio.create_task(
        asyncio.to_thread(installation().command, "backup", str(tmp_path / "backup"))
    )
    while not backup.done():  # people write all the time
        await talk.reach(1)
    await backup
    await talk.reach(5)
    await talk.stop()
    before = await read_events(paul, ticket_id)
    cursor = {"after": before[-1]["sequence"], "epoch": before[-1]["epoch"]}

    with disaster(server):
        server.database_url = empty_database
        restored = installation()
        restored.command("restore", str(tmp_path / "backup"))
        for check in ("check-invoices", "verify-audit", "reconcile"):
            restored.command(check)
    assert "installation.held" in server.log

    after = await read_events(paul, ticket_id)  # with the session from before
    assert [event["sequence"] for event in after] == list(range(1, len(after) + 1))
    assert len(after) < len(before)
    unchanged = [{**event, "epoch": None} for event in before[: len(after)]]
    assert [{**event, "epoch": None} for event in after] == unchanged
    invoices = await paul.data("{ invoices { nodes { number } } }")
    assert invoices["invoices"]["nodes"] == [{"number": invoice["number"]}]

    assert await error_of(paul, id=ticket_id, **cursor) == "STREAM_RESET"
    assert await error_of(paul, id=ticket_id, after=cursor["after"]) == "AFTER_AHEAD"
    lost = {each["message"]["clientMessageId"] for each in before if each["message"]} - {  # type: ignore[index]
        each["message"]["clientMessageId"]  # type: ignore[index]
        for each in after
        if each["message"]
    }
    assert lost
    for key in [*lost, *lost]:
        await talk.post(str(key))
    current = await read_events(paul, ticket_id)
    assert len(current) == len(after) + len(lost)
    async with paul.socket() as websocket:
        subscription = await websocket.subscribe(
            EVENTS, id=ticket_id, after=len(after), epoch=current[-1]["epoch"]
        )
        assert await subscription.next() == current[len(after)]
