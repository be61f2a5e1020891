"""One person, one company and one member of staff can send a limited number of tickets and messages
at once, over HTTP and websockets together.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app import create_app
from auth.throttle.activity import ActivityLimits
from models.accounts.account import Role
from models.action import Action
from models.billing.offer import Price
from models.billing.purchase import Purchase
from models.support.message import Message
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode
from settings import read_settings
from tests.people import add_member, create_user, create_viewer, sign_up
from tests.schema.conftest import dataset, engine, execute, fill_dataset, price, services
from tests.story.server_fixtures import Client, Server
from tests.uvicorn_thread import serve_in_thread

if TYPE_CHECKING:
    from tests.conftest import MovableClock
    from tests.schema.conftest import Dataset, Execute

__all__ = ["dataset", "engine", "execute", "fill_dataset", "price", "services"]

OPEN = """mutation($input: TicketOpenInput!) { ticketOpen(input: $input) {
    ticket { id } userErrors { code } } }"""
DRAFT = """mutation($input: PurchaseDraftInput!) { purchaseDraft(input: $input) {
    purchase { id } userErrors { code } } }"""
REPLY = """mutation($input: TicketReplyInput!) { ticketReply(input: $input) {
    message { id } userErrors { code } } }"""
LIMITS = ActivityLimits(
    messages=5,
    messages_per_company=9,
    messages_of_staff=7,
    tickets=3,
    tickets_per_company=6,
    purchases=4,
    purchases_per_company=7,
)


@pytest.fixture
def limited_services(services: Services) -> "Services":
    """Services with low limits."""
    object.__setattr__(services, "auth", replace(services.auth, activity_limits=LIMITS))
    return services


async def create_member_viewer(
    action: Action, dataset: "Dataset", name: str, role: Role = Role.MEMBER
) -> Viewer:
    user = await create_user(action, name)
    await add_member(action, dataset.paul.account, user, role)
    return await create_viewer(action, user, dataset.paul.account)


class Sender:
    """Sends tickets and messages, each with a key of its own, until the server asks it to wait."""

    def __init__(self, execute: "Execute") -> None:
        self.execute, self.number = execute, 0

    async def open(self, viewer: Viewer, key: str | None = None) -> int | None:
        """Opens a ticket. Returns the seconds to wait, None when it was opened."""
        self.number += 1
        values = {"subject": "x", "body": "x", "idempotencyKey": key or str(self.number)}
        return retry_after(await self.execute(viewer, OPEN, input=values))

    async def draft(self, viewer: Viewer, price: str, key: str | None = None) -> int | None:
        self.number += 1
        values = {"priceId": price, "idempotencyKey": key or str(self.number)}
        return retry_after(await self.execute(viewer, DRAFT, input=values))

    async def reply(self, viewer: Viewer, ticket: str, key: str | None = None) -> int | None:
        self.number += 1
        values = {"ticketId": ticket, "body": "x", "clientMessageId": key or str(self.number)}
        return retry_after(await self.execute(viewer, REPLY, input=values))


def retry_after(response: dict[str, Any]) -> int | None:
    if "errors" not in response:
        (payload,) = response["data"].values()
        assert payload["userErrors"] == []
        return None
    (error,) = response["errors"]
    assert error["extensions"]["code"] == "RATE_LIMITED"
    return int(error["extensions"]["retryAfter"])


async def test_tickets_are_limited_per_person_and_company(
    execute: "Execute",
    dataset: "Dataset",
    action: Action,
    limited_services: Services,
    clock: "MovableClock",
) -> None:
    sender, paul = Sender(execute), dataset.paul.owner
    assert [await sender.open(paul, "first")] == [None]
    assert [await sender.open(paul) for _ in range(LIMITS.tickets)] == [None] * LIMITS.tickets
    before = await Ticket.all().count(), await Message.all().count()
    assert [await sender.open(paul, "last") for _ in range(3)] == [1, 1, 1]
    assert (await Ticket.all().count(), await Message.all().count()) == before
    assert await sender.open(paul, "first") is None  # a repeat opens nothing, so it isn't limited
    lou = await create_member_viewer(action, dataset, "Lou")
    assert [await sender.open(lou) for _ in range(4)] == [None, None, None, 1]
    # Another company is not affected.
    assert await sender.open(dataset.marie.owner) is None
    clock.advance(timedelta(seconds=1))
    assert await sender.open(paul, "last") is None  # the key wasn't used up


async def test_messages_are_limited_per_person_and_company(
    execute: "Execute",
    dataset: "Dataset",
    action: Action,
    limited_services: Services,
    clock: "MovableClock",
) -> None:
    sender, paul, ticket = Sender(execute), dataset.paul.owner, dataset.paul.id(Ticket)
    retry_delays = [await sender.reply(paul, ticket) for _ in range(LIMITS.messages + 2)]
    assert retry_delays == [None] * (LIMITS.messages + 1) + [1]
    lou = await create_member_viewer(action, dataset, "Lou")
    assert [await sender.reply(lou, ticket) for _ in range(5)] == [None] * 4 + [1]
    assert await sender.reply(dataset.marie.owner, dataset.marie.id(Ticket)) is None
    clock.advance(timedelta(minutes=5))
    assert [await sender.reply(paul, ticket) for _ in range(LIMITS.messages)] == [None] * 5


async def test_a_repeated_message_is_not_refused_by_the_limit(
    execute: "Execute", dataset: "Dataset", limited_services: Services
) -> None:
    sender, paul, ticket = Sender(execute), dataset.paul.owner, dataset.paul.id(Ticket)
    while await sender.reply(paul, ticket) is None:
        pass
    count = await Message.all().count()
    values = {"ticketId": ticket, "body": "x", "clientMessageId": "1"}
    response = await execute(paul, REPLY, input=values)
    assert retry_after(response) is None
    assert response["data"]["ticketReply"]["message"]
    response = await execute(paul, REPLY, input=values | {"body": "y"})
    (error,) = response["data"]["ticketReply"]["userErrors"]
    assert error["code"] == "IDEMPOTENCY_MISMATCH"
    response = await execute(paul, REPLY, input=values | {"clientMessageId": "new"})
    assert retry_after(response)
    response = await execute(dataset.marie.owner, REPLY, input=values)
    (error,) = response["data"]["ticketReply"]["userErrors"]
    assert error["code"] == "NOT_FOUND"
    assert await Message.all().count() == count


async def test_a_repeated_message_does_not_count(
    execute: "Execute", dataset: "Dataset", limited_services: Services
) -> None:
    sender, paul, ticket = Sender(execute), dataset.paul.owner, dataset.paul.id(Ticket)
    delays = [await sender.reply(paul, ticket, "first") for _ in range(3 * LIMITS.messages)]
    assert delays == [None] * 3 * LIMITS.messages
    delays = [await sender.reply(paul, ticket) for _ in range(LIMITS.messages + 1)]
    assert delays == [None] * LIMITS.messages + [1]


async def test_drafts_of_purchases_are_limited_per_person_and_company(
    execute: "Execute",
    dataset: "Dataset",
    action: Action,
    price: Price,
    limited_services: Services,
    clock: "MovableClock",
) -> None:
    sender, paul, price_id = Sender(execute), dataset.paul.owner, encode("Price", price.pk)
    count = await Purchase.all().count()
    delays = [await sender.draft(paul, price_id, "first") for _ in range(3 * LIMITS.purchases)]
    assert delays == [None] * 3 * LIMITS.purchases  # repeats
    delays = [await sender.draft(paul, price_id) for _ in range(LIMITS.purchases + 1)]
    assert delays == [None] * LIMITS.purchases + [1]
    assert await sender.draft(paul, price_id, "first") is None  # also now
    bea = await create_member_viewer(action, dataset, "Bea", Role.BILLING)
    assert [await sender.draft(bea, price_id) for _ in range(4)] == [None] * 3 + [1]
    assert await Purchase.all().count() == count + 1 + LIMITS.purchases + 3
    assert await sender.draft(dataset.marie.owner, price_id) is None
    clock.advance(timedelta(minutes=10))
    assert await sender.draft(paul, price_id) is None


async def test_staff_have_a_limit_of_their_own(
    execute: "Execute", dataset: "Dataset", limited_services: Services
) -> None:
    """Answers don't use up the allowance of a company."""
    sender = Sender(execute)
    tickets = [dataset.paul.id(Ticket), dataset.marie.id(Ticket)]
    retry_delays = [await sender.reply(dataset.alice, tickets[n % 2]) for n in range(9)]
    assert retry_delays == [None] * 8 + [1]
    assert await sender.reply(dataset.paul.owner, tickets[0]) is None


async def test_refused_requests_do_not_count(
    execute: "Execute", dataset: "Dataset", limited_services: Services
) -> None:
    sender, paul = Sender(execute), dataset.paul.owner
    for _ in range(20):
        refused = await execute(
            paul, OPEN, input={"subject": "", "body": "x", "idempotencyKey": "k"}
        )
        assert refused["data"]["ticketOpen"]["userErrors"]
        refused = await execute(
            paul,
            REPLY,
            input={"ticketId": dataset.paul.id(Ticket), "body": " ", "clientMessageId": "k"},
        )
        assert refused["data"]["ticketReply"]["userErrors"]
    assert await sender.open(paul) is None
    assert await sender.reply(paul, dataset.paul.id(Ticket)) is None


@pytest.fixture
def server(database_url: str, tmp_path: Path, clock: "MovableClock") -> Iterator[Server]:
    """A server with low limits, whose clock stands still."""
    server = Server(database_url, tmp_path)
    environment = {
        name: value for name, value in server.environment.items() if name.startswith("CAMCHA_")
    }
    environment |= {
        "CAMCHA_LIMIT_ACTIVITY_TICKETS": "8",
        "CAMCHA_LIMIT_ACTIVITY_MESSAGES": "8",
    }
    app = create_app(read_settings(environment), clock)
    with serve_in_thread(app, lifespan="on", port=server.port):
        yield server


def outcomes(answer: dict[str, Any]) -> list[str]:
    """The outcome of each field."""
    successes = ["done" for payload in (answer.get("data") or {}).values() if payload]
    return successes + [error["extensions"]["code"] for error in answer.get("errors", [])]


async def test_aliases_batches_and_websockets_share_one_allowance(server: Server) -> None:
    paul = await sign_up(server, "paul@boulangerie.example")
    ticket = await paul.open_chat()

    def replies(prefix: str, count: int) -> str:
        fields = " ".join(
            f'a{n}: ticketReply(input: {{ticketId: "{ticket}", body: "x", '
            f'clientMessageId: "{prefix}{n}"}}) {{ userErrors {{ code }} }}'
            for n in range(count)
        )
        return f"mutation {{ {fields} }}"

    assert outcomes(await paul.execute(replies("http", 4))) == ["done"] * 4
    async with paul.socket() as websocket:
        subscriptions = [await websocket.subscribe(replies(f"socket{n}", 2)) for n in range(4)]
        results = []
        for each in subscriptions:
            results += outcomes((await each.queue.get())["payload"])
    assert sorted(results) == ["RATE_LIMITED"] * 3 + ["done"] * 5
    (error,) = (await paul.execute(replies("again", 1)))["errors"]
    assert error["extensions"]["retryAfter"] == 1
    # One key in each field: none is opened twice, and all others count.
    tickets = " ".join(
        f'a{n}: ticketOpen(input: {{subject: "x", body: "x", idempotencyKey: "{n}"}}) '
        "{ userErrors { code } }"
        for n in range(10)
    )
    results = outcomes(await Client(server, paul.token).execute(f"mutation {{ {tickets} }}"))
    assert sorted(results) == ["RATE_LIMITED"] * 2 + ["done"] * 8
