"""What became of the emails that support received, and what agents do with those that match no
ticket.
"""

from pathlib import Path
from typing import Any

import pytest

from mail.reply_address import ReplyAddresses
from models.accounts.account import Account
from models.action import Action
from models.identity.user import Staff
from models.operations.email import Email
from models.support.incoming_email import IncomingEmail, IncomingEmailSource, IncomingEmailStatus
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode
from storage.file_service import FileService
from storage.store import FolderStore
from support.incoming.authentication import Authenticator
from support.incoming.processing import IncomingMailServices, process_due
from support.incoming.storing import store_email
from tests.people import create_staff_viewer
from tests.schema.conftest import Dataset, Execute

EMAILS = Path(__file__).parents[2] / "support" / "emails"
LIST = """query($filter: IncomingEmailFilter) { incomingEmails(filter: $filter) { nodes { id status
    reason sender senderName subject text source size attempts answeredAt processedAt
    authentication { spf dkim dmarc policy } refusedFiles { name reason } user { name }
    message { body ticket: id } } } }"""
LINK = """mutation($i: IncomingEmailLinkInput!) { incomingEmailLink(input: $i) {
    incomingEmail { status reason } userErrors { code field } } }"""
DISMISS = """mutation($i: IncomingEmailDismissInput!) { incomingEmailDismiss(input: $i) {
    incomingEmail { status reason } userErrors { code } } }"""
RETRY = """mutation($i: IncomingEmailRetryInput!) { incomingEmailRetry(input: $i) {
    incomingEmail { status } userErrors { code } } }"""


class EmailSupport:
    """Receives emails, and reads them as each viewer does."""

    def __init__(self, execute: Execute, services: Services, store: FolderStore) -> None:
        self.execute, self.services = execute, services
        self.mail = IncomingMailServices(
            services.auth,
            FileService(store),
            ReplyAddresses("support@camcha.example", "k" * 40),
            frozenset(),
            Authenticator("mx.camcha.example"),
        )

    @property
    def action(self) -> Action:
        return Action(None, self.services.clock.now(), self.services.hub)

    async def receive(self, name: str) -> str:
        """Receive an email of the corpus. Returns its global ID."""
        raw = (EMAILS / f"{name}.eml").read_bytes()
        await store_email(self.mail.files.store, self.action.at, IncomingEmailSource.LMTP, raw)
        await process_due(self.action, self.mail)
        return encode("IncomingEmail", (await IncomingEmail.all().order_by("id"))[-1].pk)

    async def emails(self, viewer: Viewer, **conditions: Any) -> list[dict[str, Any]]:
        data = (await self.execute(viewer, LIST, filter=conditions))["data"]["incomingEmails"]
        return list(data["nodes"])

    async def mutate(self, viewer: Viewer, mutation: str, **values: Any) -> dict[str, Any]:
        (payload,) = (await self.execute(viewer, mutation, i=values))["data"].values()
        return dict(payload)


@pytest.fixture
def desk(execute: Execute, services: Services, tmp_path: Path) -> EmailSupport:
    return EmailSupport(execute, services, FolderStore(tmp_path / "files"))


@pytest.fixture
async def operator(dataset: Dataset, action: Action) -> Viewer:
    return await create_staff_viewer(action, "Olga", Staff.OPERATOR)


async def test_p5_1_agents_link_the_email_of_a_stranger_to_a_customer(
    desk: EmailSupport, dataset: Dataset, operator: Viewer
) -> None:
    paul, alice = dataset.paul, dataset.alice
    email_id = await desk.receive("file_executable")
    (listed,) = await desk.emails(alice, status={"eq": "UNMATCHED"})
    assert (listed["id"], listed["reason"]) == (email_id, "UNKNOWN_SENDER")
    assert (listed["sender"], listed["subject"]) == ("paul@fournil.example", "Question")
    assert listed["authentication"]["dmarc"] == "pass"
    assert listed["text"] == "Voir la pièce jointe."

    target = {
        "incomingEmailId": email_id,
        "accountId": paul.id(Account),
        "requesterId": encode("User", paul.owner.user_id or 0),
    }
    for _ in range(2):  # a repeat changes nothing
        payload = await desk.mutate(alice, LINK, **target)
        assert payload["userErrors"] == []
        assert payload["incomingEmail"]["status"] == "RECEIVED"
    await process_due(desk.action, desk.mail)
    (listed,) = await desk.emails(alice, reason={"eq": "LINKED"})
    assert listed["refusedFiles"] == [{"name": "facture.exe", "reason": "UNSUPPORTED"}]
    assert listed["message"]["body"] == "Voir la pièce jointe."

    # The customer reads their email in the ticket, and that its file is missing.
    query = """query($id: ID!) { node(id: $id) { ... on Message { body email { sender senderName
        text html refusedFiles { name reason } } } } }"""
    data = (await desk.execute(paul.owner, query, id=listed["message"]["ticket"]))["data"]
    assert data["node"]["email"] == {
        "sender": "paul@fournil.example",
        "senderName": "Paul Meunier",
        "text": "Voir la pièce jointe.",
        "html": None,
        "refusedFiles": [{"name": "facture.exe", "reason": "UNSUPPORTED"}],
    }
    # What is posted can be neither linked elsewhere nor dismissed.
    payload = await desk.mutate(alice, DISMISS, incomingEmailId=email_id)
    assert [error["code"] for error in payload["userErrors"]] == ["TRANSITION_ILLEGAL"]


async def test_an_email_is_linked_to_an_existing_ticket_or_dismissed(
    desk: EmailSupport, dataset: Dataset
) -> None:
    paul, alice = dataset.paul, dataset.alice
    email_id = await desk.receive("new_plain")
    target = {
        "incomingEmailId": email_id,
        "accountId": paul.id(Account),
        "requesterId": encode("User", dataset.marie.owner.user_id or 0),
        "ticketId": dataset.marie.id(Ticket),
    }
    payload = await desk.mutate(alice, LINK, **target)
    assert {error["field"][-1] for error in payload["userErrors"]} == {"requesterId", "ticketId"}
    target |= {
        "requesterId": encode("User", paul.owner.user_id or 0),
        "ticketId": paul.id(Ticket),
    }
    assert (await desk.mutate(alice, LINK, **target))["userErrors"] == []
    await process_due(desk.action, desk.mail)
    email = await IncomingEmail.get(status=IncomingEmailStatus.POSTED).select_related(
        "posted_message"
    )
    assert email.posted_message.ticket_id == paul.row(Ticket).pk

    other_id = await desk.receive("html_only")
    for _ in range(2):
        payload = await desk.mutate(alice, DISMISS, incomingEmailId=other_id)
        assert payload["incomingEmail"] == {"status": "IGNORED", "reason": "DISMISSED"}


async def test_operators_see_what_became_of_emails_without_reading_them(
    desk: EmailSupport, dataset: Dataset, operator: Viewer
) -> None:
    email_id = await desk.receive("new_plain")
    (listed,) = await desk.emails(operator)
    assert (listed["status"], listed["sender"]) == ("UNMATCHED", "p***@fournil.example")
    assert listed["text"] is listed["subject"] is listed["senderName"] is listed["message"] is None
    for viewer in (dataset.paul.owner, Viewer()):
        answer = await desk.execute(viewer, LIST)
        assert answer["data"]["incomingEmails"] is None
        assert answer["errors"]

    payload = await desk.mutate(operator, RETRY, incomingEmailId=email_id)
    assert [error["code"] for error in payload["userErrors"]] == ["TRANSITION_ILLEGAL"]


async def test_an_email_that_cannot_be_read_fails_after_hours_and_is_read_again(
    desk: EmailSupport, dataset: Dataset, operator: Viewer, clock: Any
) -> None:
    await store_email(
        desk.mail.files.store, desk.action.at, IncomingEmailSource.IMAP, b"From: a@b.example\n\nA"
    )
    email = await IncomingEmail.get()
    store = desk.mail.files.store
    content = b"".join([chunk async for chunk in await store.open(email.raw_key)])
    await store.delete(email.raw_key)  # as if a disk had lost it
    for _ in range(20):
        if (email := await IncomingEmail.get()).next_attempt_at is None:
            break
        clock.time = email.next_attempt_at
        await process_due(desk.action, desk.mail)
    (listed,) = await desk.emails(operator)
    assert (listed["status"], listed["reason"], listed["attempts"]) == ("FAILED", "ERROR", 8)

    async def chunks() -> Any:
        yield content

    await store.put(email.raw_key, chunks())  # restored from a backup
    payload = await desk.mutate(operator, RETRY, incomingEmailId=listed["id"])
    assert payload["incomingEmail"] == {"status": "RECEIVED"}
    await process_due(desk.action, desk.mail)
    assert (await desk.emails(operator))[0]["reason"] == "UNKNOWN_SENDER"


async def test_agents_see_that_a_customers_address_bounced(
    desk: EmailSupport, dataset: Dataset
) -> None:
    user = dataset.paul.owner.user
    assert user
    await Email.create(
        template="ticket_replies.fr",
        recipient=user.email,
        subject="-",
        text="-",
        html="-",
        user=user,
        message_key="email-00000000000000000000000000000000",
        created_at=desk.action.at,
    )
    await desk.receive("bounce_forged")  # which names this key
    query = "query($id: ID!) { node(id: $id) { ... on User { emailBouncedAt } } }"
    values = {
        name: (await desk.execute(viewer, query, id=encode("User", user.pk)))["data"]["node"]
        for name, viewer in (("agent", dataset.alice), ("member", dataset.paul.owner))
    }
    assert values["agent"]["emailBouncedAt"]
    assert values["member"]["emailBouncedAt"] is None
