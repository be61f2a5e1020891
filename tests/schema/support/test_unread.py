"""Replies reach customers who are away: by email, as events of the account, and in unread
counts.
"""

import asyncio
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from accounts import members
from engine import Engine
from models.accounts.account import Account, AccountStatus, Role
from models.action import Action
from models.database import batches
from models.database.sql import execute
from models.identity.user import Staff, User
from models.operations.email import Email
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.context import Services
from support.reply_emails import send_due_replies
from tests.people import add_member, create_staff_viewer, create_user, create_viewer
from tests.realtime.socket_fixtures import wait_until
from tests.schema.conftest import Dataset, Execute
from tests.schema.subscription_fixtures import subscribe

if TYPE_CHECKING:
    from tests.conftest import MovableClock

DELAY = timedelta(minutes=5)
REPLY = """mutation($i: TicketReplyInput!) { ticketReply(input: $i) {
    message { sequence } ticket { id } userErrors { code } } }"""
MARK_READ = """mutation($i: TicketMarkReadInput!) { ticketMarkRead(input: $i) {
    ticket { unreadCount } userErrors { code field } } }"""
UNREAD = "query($id: ID!) { node(id: $id) { ... on Ticket { unreadCount lastSequence } } }"
EVENTS = "subscription($id: ID!) { ticketEvents(ticketId: $id) { sequence message { body } } }"


class TicketScenario:
    """Paul's ticket, which Alice answers."""

    def __init__(
        self, execute: Execute, dataset: Dataset, services: Services, clock: "MovableClock"
    ) -> None:
        self.execute, self.dataset, self.services, self.clock = execute, dataset, services, clock
        self.ticket_id = dataset.paul.id(Ticket)
        self.messages = 0

    @property
    def owner(self) -> Viewer:
        return self.dataset.paul.owner

    @property
    def address(self) -> str:
        assert self.owner.user
        return self.owner.user.email

    async def reply(self, viewer: Viewer, body: str) -> int:
        """Post a message and return its sequence."""
        self.messages += 1
        variables = {
            "ticketId": self.ticket_id,
            "body": body,
            "clientMessageId": str(self.messages),
        }
        payload = (await self.execute(viewer, REPLY, i=variables))["data"]["ticketReply"]
        assert payload["userErrors"] == []
        return int(payload["message"]["sequence"])

    async def mark_read(self, viewer: Viewer, sequence: int) -> dict[str, Any]:
        variables = {"ticketId": self.ticket_id, "sequence": sequence}
        response = await self.execute(viewer, MARK_READ, i=variables)
        payload: dict[str, Any] = response["data"]["ticketMarkRead"]
        return payload

    async def unread_counts(self, viewer: Viewer) -> tuple[int, int]:
        """The unread messages of the ticket, and the number of tickets that have some."""
        ticket = (await self.execute(viewer, UNREAD, id=self.ticket_id))["data"]["node"]
        query = "{ viewer { unreadTickets } }"
        counts = (await self.execute(viewer, query))["data"]["viewer"]
        return ticket["unreadCount"], counts["unreadTickets"]

    async def send_emails(self, after: timedelta = DELAY) -> list[Email]:
        """Advance the clock, run the job, and return the waiting emails about the ticket."""
        self.clock.advance(after)
        action = Action(None, self.clock.now(), self.services.hub)
        await send_due_replies(action, self.services.delivered, DELAY)
        return await Email.filter(template__startswith="ticket_replies.").order_by("id")


@pytest.fixture
def scenario(
    execute: Execute, dataset: Dataset, services: Services, clock: "MovableClock"
) -> TicketScenario:
    return TicketScenario(execute, dataset, services, clock)


async def test_p5_2_replies_that_nobody_reads_are_sent_in_one_email(
    scenario: TicketScenario, dataset: Dataset
) -> None:
    await scenario.reply(dataset.alice, "Votre facture est corrigée.")
    await scenario.reply(dataset.alice, "Autre chose ?")
    assert await scenario.send_emails(after=DELAY - timedelta(seconds=1)) == []
    for _ in range(2):  # a second run sends nothing more
        [email] = await scenario.send_emails()
        assert email.recipient == scenario.address
        assert "\nVotre facture est corrigée.\n" in email.text
        assert "\nAutre chose ?\n" in email.text
        assert email.next_attempt_at is not None
    await scenario.reply(dataset.alice, "Encore un mot.")
    emails = await scenario.send_emails()
    assert len(emails) == 2
    assert "Autre chose" not in emails[1].text
    assert "\nEncore un mot.\n" in emails[1].text


async def test_a_ticket_that_fails_holds_up_no_other(
    scenario: TicketScenario, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", 1)
    await scenario.reply(dataset.alice, "Pour Paul")
    scenario.ticket_id = dataset.marie.id(Ticket)
    await scenario.reply(dataset.alice, "Pour Marie")
    assert scenario.owner.user
    statement = "UPDATE \"user\" SET locale = 'xx' WHERE id = ?"
    await execute(statement, scenario.owner.user.pk)
    for _ in range(2):
        [email] = await scenario.send_emails()
        assert "Pour Marie" in email.text


async def test_a_customer_who_read_or_answered_gets_no_email(
    scenario: TicketScenario, dataset: Dataset
) -> None:
    sequence = await scenario.reply(dataset.alice, "Bonjour")
    await scenario.mark_read(scenario.owner, sequence)
    assert await scenario.send_emails() == []
    await scenario.reply(dataset.alice, "Avez-vous le numéro ?")
    await scenario.reply(scenario.owner, "Oui, 42")
    assert await scenario.send_emails() == []
    await scenario.mark_read(scenario.owner, sequence)
    await scenario.reply(dataset.alice, "Merci")
    [email] = await scenario.send_emails()
    assert "numéro" not in email.text


@pytest.mark.parametrize("stays_connected", [True, False])
async def test_a_customer_who_receives_replies_live_gets_no_email(
    scenario: TicketScenario,
    dataset: Dataset,
    engine: Engine,
    services: Services,
    stays_connected: bool,
) -> None:
    events = subscribe(engine, scenario.owner, services, EVENTS, id=scenario.ticket_id)
    async with aclosing(events):
        waiting = asyncio.ensure_future(anext(events))
        await wait_until(lambda: bool(services.delivered.collect()))
        await scenario.reply(dataset.alice, "En direct")
        event = await waiting
        assert event["data"]["ticketEvents"]["message"] == {"body": "En direct"}
        if stays_connected:
            assert await scenario.send_emails() == []
            assert await scenario.unread_counts(scenario.owner) == (1, 1)
    assert await scenario.send_emails() == []
    await scenario.reply(dataset.alice, "Vous êtes parti ?")
    [email] = await scenario.send_emails()
    assert "En direct" not in email.text


async def test_other_members_who_wrote_in_the_ticket_also_get_the_replies(
    scenario: TicketScenario, dataset: Dataset, action: Action
) -> None:
    await scenario.reply(dataset.paul.member, "C’est urgent")
    bystander = await create_user(action, "Ida")
    await add_member(action, dataset.paul.account, bystander, Role.ADMIN)
    await scenario.reply(dataset.alice, "C’est réparé")
    assert dataset.paul.member.user
    emails = await scenario.send_emails()
    assert {email.recipient for email in emails} == {
        scenario.address,
        dataset.paul.member.user.email,
    }


async def test_former_members_get_neither_new_nor_waiting_emails(
    scenario: TicketScenario, dataset: Dataset, clock: "MovableClock", services: Services
) -> None:
    member, account = dataset.paul.member, dataset.paul.account
    assert member.user
    assert member.session
    await scenario.reply(member, "Une question")
    await scenario.reply(dataset.alice, "Première réponse")
    assert len(await scenario.send_emails()) == 2
    await scenario.reply(dataset.alice, "Deuxième réponse")
    action = Action(member.user, clock.now(), services.hub)
    await members.leave(action, member.session, account.pk)
    emails = await scenario.send_emails()
    assert [email.recipient for email in emails] == [scenario.address] * 2


@pytest.mark.parametrize("reason", ["unconfirmed", "erased"])
async def test_users_with_an_unverified_address_or_an_erased_account_get_no_email(
    scenario: TicketScenario, dataset: Dataset, reason: str
) -> None:
    await scenario.reply(dataset.alice, "Bonjour")
    if reason == "unconfirmed":
        await User.filter(pk=scenario.owner.user_id).update(email_verified_at=None)
    else:
        await Account.filter(pk=dataset.paul.account.pk).update(status=AccountStatus.ERASED)
    assert await scenario.send_emails() == []


async def test_a_reply_is_an_event_of_the_account_that_names_the_message(
    scenario: TicketScenario, dataset: Dataset, engine: Engine, services: Services
) -> None:
    query = """subscription($after: BigInt) { accountEvents(after: $after) {
        kind message { body } ticket { unreadCount } } }"""
    viewer_query = "{ viewer { accountSequence } }"
    start = (await scenario.execute(scenario.owner, viewer_query))["data"]["viewer"]
    for body in ("Bonjour", "Autre chose"):  # the second one by the short way
        await scenario.reply(dataset.alice, body)
    events = subscribe(engine, scenario.owner, services, query, after=start["accountSequence"])
    async with aclosing(events):
        all_events = [(await anext(events))["data"]["accountEvents"] for _ in range(4)]
    received_events = [event for event in all_events if event["message"]]
    assert [event["message"]["body"] for event in received_events] == ["Bonjour", "Autre chose"]
    assert {event["kind"] for event in received_events} == {"MESSAGE_POSTED"}
    assert received_events[1]["ticket"] == {"unreadCount": 2}


async def test_p5_2_unread_messages_are_counted_for_each_person(
    scenario: TicketScenario, dataset: Dataset, action: Action
) -> None:
    owner, member, alice = scenario.owner, dataset.paul.member, dataset.alice
    assert await scenario.unread_counts(owner) == (0, 0)
    assert await scenario.unread_counts(alice) == (1, 0)  # unread, and assigned to nobody
    await scenario.reply(alice, "Bonjour")
    last = await scenario.reply(alice, "Autre chose ?")
    assert await scenario.unread_counts(alice) == (0, 0)
    assert await scenario.unread_counts(owner) == (2, 1)
    payload = await scenario.mark_read(owner, last)
    assert payload == {"ticket": {"unreadCount": 0}, "userErrors": []}
    assert await scenario.unread_counts(owner) == (0, 0)
    assert await scenario.unread_counts(member) == (2, 1)
    await Ticket.filter(account=dataset.paul.account).update(assignee_id=alice.user_id)
    await scenario.reply(member, "Oui")
    assert await scenario.unread_counts(member) == (0, 0)
    assert await scenario.unread_counts(owner) == (0, 0)  # a colleague's message
    assert await scenario.unread_counts(alice) == (1, 1)
    await scenario.mark_read(owner, 1)  # never back
    assert await scenario.unread_counts(owner) == (0, 0)


async def test_messages_from_before_a_member_joined_are_not_unread(
    scenario: TicketScenario, dataset: Dataset, clock: "MovableClock", services: Services
) -> None:
    await scenario.reply(dataset.alice, "Ancien")
    clock.advance(timedelta(minutes=1))
    later_action = Action(None, clock.now(), services.hub)
    user = await create_user(later_action, "Nina")
    await add_member(later_action, dataset.paul.account, user)
    viewer = await create_viewer(later_action, user, dataset.paul.account)
    assert await scenario.unread_counts(viewer) == (0, 0)
    await scenario.reply(dataset.alice, "Nouveau")
    assert await scenario.unread_counts(viewer) == (1, 1)


async def test_a_position_outside_the_ticket_or_in_a_hidden_ticket_is_refused(
    scenario: TicketScenario, dataset: Dataset
) -> None:
    for sequence in (-1, 10_000, 2**62):
        payload = await scenario.mark_read(scenario.owner, sequence)
        assert payload["userErrors"] == [{"code": "VALUE_INVALID", "field": ["input", "sequence"]}]
    payload = await scenario.mark_read(dataset.marie.owner, 1)
    assert payload["userErrors"] == [{"code": "NOT_FOUND", "field": ["input", "ticketId"]}]


async def test_viewers_who_have_no_tickets_have_no_count(
    scenario: TicketScenario, action: Action
) -> None:
    analyst = await create_staff_viewer(action, "Nora", Staff.ANALYST)
    response = await scenario.execute(analyst, "{ viewer { unreadTickets } }")
    assert response["data"]["viewer"] == {"unreadTickets": None}
