"""Emails as mail programs really write them: each ends up in the right ticket, or is ignored for
the right reason. tests/support/emails has them, and what is expected of each.
"""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.operations.email import Email
from models.support.file import File, FileStatus
from models.support.incoming_email import IncomingEmail
from models.support.message import Message
from models.support.ticket import Ticket
from storage.file_service import FileService
from storage.scanner import Clamd
from support.incoming.automatic import find_bounce, forbids_answers, is_automatic, is_bulk
from support.incoming.html import MAX_DEPTH, sanitize_html
from support.incoming.parsing import ParsedEmail
from support.incoming.quotes import new_text
from tests.people import add_member, create_account, create_user
from tests.storage.clamd import EICAR, FakeClamd
from tests.support.incoming.conftest import MailDesk

FOLDER = Path(__file__).parents[1] / "emails"
EXPECTATIONS: dict[str, dict[str, Any]] = tomllib.loads(
    (FOLDER / "expectations.toml").read_text(encoding="utf-8")
)
SIRENS = ["732829320", "552100554", "542065479", "775670417"]


class Corpus:
    """A desk at which the people of the emails are known."""

    def __init__(self, desk: MailDesk) -> None:
        self.desk = desk

    async def prepare(self) -> None:
        action = self.desk.action
        names = ("Garage", "Deux A", "Deux B", "Neuf")
        companies = [
            await create_account(action, name, siren)
            for name, siren in zip(names, SIRENS, strict=True)
        ]
        odette = await create_user(action, "Odette", email="odette@garage.example")
        zoe = await create_user(action, "Zoé", email="zoe@deux.example")
        noe = await create_user(
            action, "Noé", email="neuf@ailleurs.example", email_verified_at=None
        )
        for company, user in zip(companies, (odette, zoe, zoe, noe), strict=True):
            await add_member(action, company, user)

    async def receive(self, name: str) -> tuple[IncomingEmail, Ticket, Email]:
        """An email arrives that answers one about a new ticket. Returns what became of it."""
        ticket = await self.desk.open_ticket()
        answered = await self.desk.answer(ticket)
        sent = self.desk.sent(answered)
        values = {
            b"OUR-MESSAGE-ID": str(sent["Message-ID"]).strip("<>").encode(),
            b"TICKET-NUMBER": ticket.number.encode(),
            b"EICAR-TEST-FILE": EICAR,
        }
        raw = (FOLDER / f"{name}.eml").read_bytes()
        for placeholder, value in values.items():
            raw = raw.replace(placeholder, value)
        local_part = str(sent["Reply-To"]).partition("@")[0]
        raw = raw.replace(b"support+ticket@", f"{local_part}@".encode())
        raw = raw.replace(b"SUPPORT+ticket@", f"{local_part.upper()}@".encode())
        return await self.desk.receive(raw), ticket, answered


async def outcome(email: IncomingEmail, ticket: Ticket, answered: Email) -> dict[str, Any]:
    """Every result that an expectation may state."""
    message = await Message.get_or_none(pk=email.posted_message_id or 0)
    posted_ticket = await Ticket.get_or_none(pk=message.ticket_id if message else 0)
    files = await File.filter(message_id=message.pk if message else 0).order_by("id")
    is_reply = posted_ticket is not None and posted_ticket.pk == ticket.pk
    await answered.refresh_from_db()
    return {
        "status": email.status.value,
        "reason": str(email.reason) if is_reply == (email.reason == "REPLY") else "WRONG TICKET",
        "body": message.body if message else "",
        "subject": email.subject,
        "subject_of_ticket": posted_ticket.subject if posted_ticket else "",
        "sender_name": email.sender_name,
        "files": sorted(file.name for file in files if file.status is FileStatus.AVAILABLE),
        "refused": [f"{each['name']} {each['reason']}" for each in email.refused_files],
        "answered": email.answered_at is not None,
        "bounced": (answered.bounce_status or "none") if answered.bounced_at else "",
        "html": email.html,
    }


def differences(expected: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The differences from what was expected."""
    html, body = found["html"], found["body"]
    wrong = {
        key: found[key] for key, value in expected.items() if key in found and found[key] != value
    }
    if expected.get("body_has", "") not in body:
        wrong["body_has"] = body[:200]
    if expected.get("body_lacks") and expected["body_lacks"] in body:
        wrong["body_lacks"] = body[:200]
    if any(part not in html for part in expected.get("html_has", ())):
        wrong["html_has"] = html
    if any(part in html for part in expected.get("html_lacks", ())):
        wrong["html_lacks"] = html
    return wrong


async def test_p5_1_every_email_ends_in_its_ticket_or_is_ignored_for_a_reason(
    desk: MailDesk,
) -> None:
    assert len(EXPECTATIONS) >= 60
    assert {path.stem for path in FOLDER.glob("*.eml")} == set(EXPECTATIONS)
    async with FakeClamd().listen() as clamd:
        scanner = Clamd("127.0.0.1", clamd.port)
        files = FileService(desk.services.files.store, scanner)
        desk.services = replace(desk.services, files=files)
        corpus = Corpus(desk)
        await corpus.prepare()
        wrong = {}
        for name, expected in EXPECTATIONS.items():
            email, ticket, answered = await corpus.receive(name)
            if found := differences(expected, await outcome(email, ticket, answered)):
                wrong[name] = found
            await IncomingEmail.filter(answered_at__not_isnull=True).update(answered_at=None)
        assert wrong == {}


SAMPLES = [path.read_bytes() for path in sorted(FOLDER.glob("*.eml"))]
MUTATIONS = [
    *(b"\r\n", b"\n", b"\0", b"\xff", b"=?utf-8?B?", b"?=", b'"', b"<", b">", b"--", b";", b"="),
    *(b"(", b"\r\n\r\n", b"%", b"*0*=", b"@", b"\x1b$B", b"+ACI-", b"&#xD800;", b"charset=utf-7"),
]


@st.composite
def mutated_emails(draw: st.DrawFn) -> bytes:
    """An email of the corpus, damaged in some places."""
    raw = draw(st.sampled_from(SAMPLES))
    for _ in range(draw(st.integers(1, 12))):
        begin = draw(st.integers(0, len(raw)))
        length = draw(st.sampled_from([0, 1, 1, 2, 8, 60]))
        insertion = draw(st.sampled_from(MUTATIONS) | st.binary(max_size=6))
        raw = raw[:begin] + insertion + raw[begin + length :]
    return raw


@given(mutated_emails())
@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
def test_p5_1_reading_a_damaged_email_never_fails(raw: bytes) -> None:
    email = ParsedEmail(raw)
    texts = [email.text, email.html, email.subject, email.message_id or "", new_text(email.text)]
    texts += [mailbox.name + mailbox.address for mailbox in email.senders]
    texts += [attachment.name for attachment in email.attachments]
    for text in texts:
        assert "\0" not in text
        text.encode()  # can be stored
    find_bounce(email), is_automatic(email), is_bulk(email), forbids_answers(email)
    assert "<script" not in email.html
    assert len(email.fingerprint) == 64


def test_p5_1_an_email_that_is_made_to_be_slow_is_read_at_once() -> None:
    """With patterns that try every division of the lines, each of these took minutes or hours, for
    which the process did nothing else.
    """
    disclaimer = "Bonjour\n-- \n" + "Ce message est confidentiel.\n" * 40 + "Fin"
    assert new_text(disclaimer) == disclaimer  # too long for a signature
    assert new_text("Bonjour\n-- \n" + "Garage\n" * 20) == "Bonjour"
    assert new_text("Bonjour\n" + "_" * 30) == "Bonjour"
    blank_lines = "a" + "\n" * 199_000 + "b"
    assert new_text(blank_lines) == blank_lines
    fields = "a: b\n" * 33_000
    assert new_text(fields) == fields.strip()
    # A quote that begins in the first lines is found, however long it is.
    quoted = "Oui.\n\nLe 1 déc. 2026 à 10:00, Support <support@camcha.example> a écrit :\n\n"
    assert new_text(quoted + "> Une ligne\n" * 15_000) == "Oui."
    # Elements inside each other are read up to a depth, those beside each other all.
    assert sanitize_html("<div>" * 190_000 + "fin").count("<div>") == MAX_DEPTH
    table = "<table>" + "<tr><td><p>a<br>" * 3_000 + "</table>fin"
    assert sanitize_html(table).endswith("fin")


def test_p5_1_headers_that_are_made_to_be_slow_are_read_at_once() -> None:
    """Each of these took seconds, because every beginning was followed to the end, and an email may
    have a thousand such headers.
    """
    pieces = [
        b"x",
        b'\\"',
        b"(",
        b"\\(",
        b"<",
        b"<@",
        b"@",
        b"=?a?q?",
        b"=?a?q?x=",
        b"=?",
        b'; a="\\"',
    ]
    values = [b'"' + piece * (20_000 // len(piece)) for piece in pieces]
    names = (b"From", b"To", b"Subject", b"References")
    headers = b"".join(b"%s: %s\r\n" % (name, value) for value in values for name in names)
    email = ParsedEmail(headers + b"\r\nBonjour.")
    assert (email.senders, email.recipients, email.text) == ([], [], "Bonjour.")
    assert email.is_ambiguous
    part = b"--B\r\nContent-Type: text/x; name=%s\r\n\r\nx\r\n"
    parts = b"".join(part % value for value in values)
    raw = b"Content-Type: multipart/mixed; boundary=B\r\n\r\n" + parts
    assert len(ParsedEmail(raw).attachments) == len(values)
