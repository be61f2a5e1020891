"""P5.2: companies export all of their exchanges, and agents those of a ticket."""

from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from pypdf import PdfReader

from auth.tokens import Purpose
from models.action import Action
from models.identity.session import Session
from models.support.incoming_email import (
    IncomingEmail,
    IncomingEmailReason,
    IncomingEmailSource,
    IncomingEmailStatus,
)
from models.support.message import Message
from models.support.ticket import Ticket
from models.viewer import Viewer
from privacy import message_export
from resolvers.context import Services
from storage.store import FolderStore
from tests.conftest import MovableClock
from tests.people import record_step_up
from tests.schema.support.test_assignment import Agents
from tests.schema.support.test_assignment import agents as agents
from tests.schema.support.test_inbox import reply
from tests.schema.support.test_merging import merge, open_ticket
from tests.schema.support.test_notes import add_note
from web.exports import Export, find_export

ACCOUNT = """mutation($i: AccountExportMessagesInput!) { accountExportMessages(input: $i) {
    url userErrors { code field } } }"""
TICKET = """mutation($i: TicketExportInput!) { ticketExport(input: $i) {
    url userErrors { code field } } }"""
LOG_CALL = """mutation($i: CallLogInput!) { callLog(input: $i) { userErrors { code field } } }"""


class Exports:
    def __init__(self, agents: Agents, services: Services) -> None:
        self.agents, self.services = agents, services

    async def request(self, viewer: Viewer, query: str, **fields: Any) -> dict[str, Any]:
        response = await self.agents.execute(viewer, query, i=fields)
        payload: dict[str, Any] = next(iter(response["data"].values())) or response["errors"][0]
        return payload

    async def download(self, viewer: Viewer, query: str, **fields: Any) -> tuple[Export, bytes]:
        """The file behind the link that the viewer gets."""
        payload = await self.request(viewer, query, **fields)
        token = payload["url"].rpartition("/")[2]
        now = self.services.clock.now()
        export = find_export(
            self.services,
            self.services.auth.signer.read(Purpose.DOWNLOAD, token, now),
            FolderStore(Path("unused")),
        )
        assert export
        return export, b"".join([part async for part in export.content])


@pytest.fixture
def exports(agents: Agents, services: Services) -> Exports:
    return Exports(agents, services)


def page_text(pdf: bytes) -> str:
    text = " ".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages)
    return " ".join(text.split())


async def add_exchanges(agents: Agents, action: Action) -> None:
    """Messages of every channel in Paul's ticket, and an internal note."""
    paul, alice = agents.dataset.paul, agents.alice
    await reply(agents, paul.member, 'Écrit dans le chat <b>ici</b> #link("x") مرحبا 👍')
    await agents.answer(alice, "Nous regardons.")
    await reply(agents, paul.owner, "Envoyé par e-mail")
    message = await Message.get(body="Envoyé par e-mail")
    await IncomingEmail.create(
        source=IncomingEmailSource.LMTP,
        size=3,
        fingerprint="x",
        sender="x@elsewhere.example",
        posted_message=message,
        status=IncomingEmailStatus.POSTED,
        reason=IncomingEmailReason.REPLY,
        received_at=action.at,
    )
    await add_note(agents, alice, "Note entre nous")
    call = {
        "target": {"ticketId": agents.ticket_id},
        "direction": "INBOUND",
        "outcome": "ANSWERED",
        "startedAt": action.at.isoformat(),
        "durationSeconds": 60,
        "number": "+33 1 23 45 67 89",
        "idempotencyKey": "call",
    }
    response = await agents.execute(alice, LOG_CALL, i=call)
    assert response["data"]["callLog"]["userErrors"] == []
    await reply(agents, paul.owner, "Secret")
    await Message.filter(body="Secret").update(body="", deleted_at=action.at)


async def test_p5_2_a_company_exports_its_exchanges_over_all_channels(
    exports: Exports, action: Action, clock: MovableClock
) -> None:
    agents = exports.agents
    paul, marie = agents.dataset.paul, agents.dataset.marie
    await add_exchanges(agents, action)
    refused = await exports.request(paul.owner, ACCOUNT, format="JSON")
    assert [each["code"] for each in refused["userErrors"]] == ["STEP_UP_REQUIRED"]
    assert paul.owner.user
    assert paul.owner.session
    await record_step_up(action, paul.owner.session)
    session = await Session.get(pk=paul.owner.session.pk)
    owner = Viewer(paul.owner.user, paul.account, paul.owner.role, session)
    export, content = await exports.download(owner, ACCOUNT, format="JSON")
    assert (export.name, export.media_type) == (
        "camcha-messages-2026-11-23.json",
        "application/json",
    )
    data = orjson.loads(content)
    assert data["company"]["legalName"] == paul.account.legal_name
    assert "Note entre nous" not in content.decode()
    assert marie.mark not in content.decode()
    [ticket] = [each for each in data["tickets"] if "PAULMARK" in each["subject"]]
    entries = ticket["messages"]
    assert [(each["kind"], each["channel"]) for each in entries] == [
        ("CUSTOMER", "CHAT"),
        ("CUSTOMER", "CHAT"),
        ("STAFF", "CHAT"),
        ("CUSTOMER", "EMAIL"),
        ("STAFF", "PHONE"),
        ("CUSTOMER", "CHAT"),
    ]
    assert entries[0]["files"][0]["name"] == "PAULMARK file.pdf"
    assert entries[2]["author"] == "Alice"
    assert (entries[5]["body"], bool(entries[5]["deletedAt"])) == ("", True)
    # The same as a document, in which what people wrote is text. No real time is a whole second.
    clock.advance(timedelta(microseconds=1))
    export, pdf = await exports.download(owner, ACCOUNT, format="PDF")
    assert export.media_type == "application/pdf"
    text = page_text(pdf)
    for phrase in (
        "Échanges avec le support",
        "Nous regardons.",
        '<b>ici</b> #link("x")',
        "Envoyé par e-mail",
        "téléphone",
        "Ce message a été supprimé par son auteur.",
        "PAULMARK file.pdf",
    ):
        assert phrase in text, phrase
    assert "Note entre nous" not in text


async def test_p5_2_agents_export_a_ticket_with_its_notes(
    exports: Exports, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents = exports.agents
    paul, alice = agents.dataset.paul, agents.alice
    await add_exchanges(agents, action)
    fields = {"ticketId": agents.ticket_id, "format": "JSON"}
    for with_notes in (False, True):
        _, content = await exports.download(alice, TICKET, **fields, includeNotes=with_notes)
        [ticket] = orjson.loads(content)["tickets"]
        assert [each for each in ticket["messages"] if each["kind"] == "NOTE"] == [
            {
                "kind": "NOTE",
                "at": "2026-11-23T09:00:00Z",
                "author": "Alice",
                "body": "Note entre nous",
            }
        ] * with_notes
    _, pdf = await exports.download(
        alice, TICKET, ticketId=agents.ticket_id, format="PDF", includeNotes=True
    )
    assert "note interne" in page_text(pdf)
    _, content = await exports.download(paul.member, TICKET, **fields)
    assert "Note entre nous" not in content.decode()
    payload = await exports.request(paul.member, TICKET, **fields, includeNotes=True)
    assert payload["userErrors"] == [{"code": "VALUE_INVALID", "field": ["input", "includeNotes"]}]
    payload = await exports.request(agents.dataset.marie.owner, TICKET, **fields)
    assert payload["userErrors"] == [{"code": "NOT_FOUND", "field": ["input", "ticketId"]}]
    count = await Message.filter(ticket_id=paul.row(Ticket).pk).count()
    monkeypatch.setattr(message_export, "MAX_PDF_MESSAGES", count - 1)
    payload = await exports.request(alice, TICKET, ticketId=agents.ticket_id, format="PDF")
    assert payload["userErrors"] == [{"code": "EXPORT_TOO_LARGE", "field": ["input", "format"]}]


async def test_p5_2_the_export_of_a_ticket_has_those_that_were_merged_into_it(
    exports: Exports, action: Action
) -> None:
    agents, owner = exports.agents, exports.agents.dataset.paul.owner
    merged = await open_ticket(agents.execute, owner, "La même panne")
    await merge(agents.execute, agents.alice, merged, agents.ticket_id)
    _, content = await exports.download(
        owner, TICKET, ticketId=agents.ticket_id, format="JSON", includeNotes=False
    )
    ticket, other = orjson.loads(content)["tickets"]
    assert (other["subject"], other["mergedInto"]) == ("La même panne", ticket["number"])
    assert [each["body"] for each in other["messages"]] == ["La même panne"]
    assert ticket["mergedInto"] is None
