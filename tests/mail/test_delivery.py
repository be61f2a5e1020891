"""Delivery: every email arrives, whatever servers and workers do, and none holds up another."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from structlog.testing import capture_logs

from mail import emails
from mail.delivery import deliver_due
from mail.message import Sender
from mail.transport import Refused, Transport, transport
from models.action import Action
from models.billing.invoice import Invoice, InvoiceDocument
from models.identity.user import User
from models.operations.email import Email
from tests.conftest import MovableClock
from tests.mail.conftest import PDF
from tests.mail.post_office import PostOffice

HEAD = Sender("CAMCHA <bonjour@camcha.example>", "https://camcha.example/policies/privacy")
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    async with PostOffice().open() as office:
        yield office


def to(office: PostOffice) -> Transport:
    return transport(f"smtp://127.0.0.1:{office.port}?starttls=never")


async def write(action: Action, user: User, *recipients: str) -> list[Email]:
    """An email to each, in this order."""
    written = []
    async with action.transaction() as tx:
        for recipient in recipients:
            user.email = recipient
            written.append(await emails.verification(tx, user, "https://camcha.example/v?token=t", "TOKEN-123"))
    return written


async def test_p1_4_an_email_is_sent_once(office: PostOffice, action: Action, zoe: User) -> None:
    [email] = await write(action, zoe, "zoe@example.fr")
    assert await deliver_due(to(office), action.at, head=HEAD) == 1
    assert await deliver_due(to(office), action.at + HOUR, head=HEAD) == 0
    await email.refresh_from_db()
    assert (email.sent_at, email.next_attempt_at, email.attempts) == (action.at, None, 1)
    assert office.addresses == ["zoe@example.fr"]


async def test_p1_4_french_and_english_readers_get_their_own_language(
    office: PostOffice, action: Action, zoe: User, john: User
) -> None:
    await write(action, zoe, "zoe@example.fr")
    await write(action, john, "john@example.com")
    await deliver_due(to(office), action.at, head=HEAD)
    read = dict(office.taken)
    assert [read[who]["Content-Language"] for who in ("zoe@example.fr", "john@example.com")] == ["fr", "en"]
    french, english = (read[who].get_body(("plain",)) for who in ("zoe@example.fr", "john@example.com"))
    assert french is not None
    assert english is not None
    assert "Bonjour Zoé Lefèvre,\r\n\r\nBienvenue chez CAMCHA\u202f!" in french.get_content()
    assert "Hello John Smith,\r\n\r\nWelcome to CAMCHA!" in english.get_content()


async def test_p2_4_the_invoice_arrives_with_its_pdf(office: PostOffice, action: Action, zoe: User, invoice: Invoice) -> None:
    async with action.transaction() as tx:
        await emails.invoice_issued(tx, zoe, invoice, "https://camcha.example/files/1")
    await deliver_due(to(office), action.at, head=HEAD)
    [attached] = office.taken[0][1].iter_attachments()
    assert attached.get_content() == PDF
    assert attached.get_filename() == "FA-2026-000042.pdf"


async def test_p2_4_no_invoice_email_leaves_without_its_pdf(
    office: PostOffice, action: Action, zoe: User, invoice: Invoice
) -> None:
    async with action.transaction() as tx:
        await emails.invoice_issued(tx, zoe, invoice, "https://camcha.example/files/1")
    await InvoiceDocument.all().delete()
    assert await deliver_due(to(office), action.at, head=HEAD) == 0
    assert office.taken == []


def linked(link: str) -> bytes:
    return Path(unquote(urlsplit(link).path)).read_bytes()


async def test_the_log_links_the_file_and_names_nobody(tmp_path: Path, action: Action, zoe: User) -> None:
    [email] = await write(action, zoe, "zoe@example.fr")
    with capture_logs() as logged:
        await deliver_due(transport(f"file://{tmp_path}"), action.at, head=HEAD)
    [entry] = logged
    assert (entry["event"], entry["email"], entry["template"]) == ("email.delivered", email.pk, "verification.fr")
    assert linked(str(entry["link"])).startswith(b"From: CAMCHA")
    for personal in ("zoe", "Zoé", "example.fr", "Confirmez", "TOKEN"):
        assert personal not in str(logged).replace(str(tmp_path), "")


async def test_failures_name_nobody_either(office: PostOffice, action: Action, zoe: User) -> None:
    office.recipients["zoe@example.fr"] = "550 zoe@example.fr does not exist"
    await write(action, zoe, "zoe@example.fr", "zoe@example.fr\nBcc: eve@example.org")
    with capture_logs() as logged:
        await deliver_due(to(office), action.at, head=HEAD)
    assert [entry["event"] for entry in logged] == ["email.given_up", "email.failed"]
    assert logged[0]["reason"] == "SMTPRecipientRefused 550"
    assert "example" not in str(logged)


async def test_one_bad_email_never_holds_up_the_others(office: PostOffice, action: Action, zoe: User) -> None:
    office.recipients |= {"gone@example.fr": "550 no such user", "busy@example.fr": "451 later"}
    gone, busy, broken, _ = await write(
        action, zoe, "gone@example.fr", "busy@example.fr", "x@example.fr\r\nBcc: eve@example.org", "good@example.fr"
    )
    assert await deliver_due(to(office), action.at, head=HEAD) == 1
    assert office.addresses == ["good@example.fr"]
    for email in (gone, busy, broken):
        await email.refresh_from_db()
        assert (email.sent_at, email.attempts) == (None, 1)
    assert (gone.next_attempt_at, busy.next_attempt_at) == (None, action.at + MINUTE)


async def test_an_email_that_is_erased_while_it_is_sent_holds_up_nobody(action: Action, zoe: User) -> None:
    _, refused, other = await write(action, zoe, "gone@example.fr", "refused@example.fr", "other@example.fr")

    class Meanwhile:
        """A server during whose answer each email but the last is erased."""

        async def send(self, message: EmailMessage) -> str:
            await Email.filter(recipient=message["To"]).exclude(pk=other.pk).delete()
            if message["To"] == refused.recipient:
                raise Refused("later", final=False)
            return ""

    assert await deliver_due(Meanwhile(), action.at, head=HEAD) == 2
    assert [email.pk for email in await Email.filter(sent_at__isnull=False)] == [other.pk]


async def test_a_temporary_refusal_is_tried_again_later_and_later(
    office: PostOffice, action: Action, clock: MovableClock, zoe: User
) -> None:
    office.recipients["zoe@example.fr"] = "451 come back later"
    [email] = await write(action, zoe, "zoe@example.fr")
    waits = []
    for _ in range(3):
        await deliver_due(to(office), clock.now(), head=HEAD)
        await email.refresh_from_db()
        assert email.next_attempt_at is not None
        waits.append(email.next_attempt_at - clock.now())
        clock.time = email.next_attempt_at
    assert waits == [MINUTE, 2 * MINUTE, 4 * MINUTE]
    office.recipients.clear()
    assert await deliver_due(to(office), clock.now(), head=HEAD) == 1


async def test_a_server_that_was_down_gets_everything_once_it_is_back(action: Action, zoe: User) -> None:
    office = PostOffice()
    async with office.open():
        pass
    await write(action, zoe, "a@example.fr", "b@example.fr")
    assert await deliver_due(to(office), action.at, head=HEAD) == 0
    async with office.open(office.port):
        assert await deliver_due(to(office), action.at, head=HEAD) == 1  # the first has been tried, and has to wait
        assert await deliver_due(to(office), action.at + MINUTE, head=HEAD) == 1
        assert await deliver_due(to(office), action.at + HOUR, head=HEAD) == 0
    assert office.addresses == ["b@example.fr", "a@example.fr"]


async def test_a_server_that_hangs_is_left(
    office: PostOffice, action: Action, zoe: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mail.delivery.PATIENCE", timedelta(seconds=0.3))
    office.hangs = True
    [email] = await write(action, zoe, "zoe@example.fr")
    async with asyncio.timeout(5):  # no goodbye is waited for
        assert await deliver_due(to(office), action.at, head=HEAD) == 0
    await email.refresh_from_db()
    assert email.next_attempt_at == action.at + MINUTE


async def test_two_workers_at_once_send_each_email_once(office: PostOffice, action: Action, zoe: User) -> None:
    recipients = [f"p{n:02}@example.fr" for n in range(20)]
    await write(action, zoe, *recipients)
    taken = await asyncio.gather(*(deliver_due(to(office), action.at, head=HEAD) for _ in range(2)))
    assert sum(taken) == 20
    assert sorted(office.addresses) == recipients


async def test_a_batch_is_limited_and_begins_with_the_oldest(office: PostOffice, action: Action, zoe: User) -> None:
    await write(action, zoe, "a@example.fr", "b@example.fr", "c@example.fr")
    assert await deliver_due(to(office), action.at, limit=2, head=HEAD) == 2
    assert office.addresses == ["a@example.fr", "b@example.fr"]


async def test_a_worker_killed_between_send_and_mark_loses_nothing(
    office: PostOffice, action: Action, zoe: User, db: str
) -> None:
    [email] = await write(action, zoe, "zoe@example.fr")
    assert await (await _worker(db, office, action, "itself")).wait() == -9
    await email.refresh_from_db()
    assert (len(office.taken), email.sent_at) == (1, None)
    assert await deliver_due(to(office), action.at, head=HEAD) == 0  # the dead worker's lease still holds
    assert await deliver_due(to(office), action.at + HOUR, head=HEAD) == 1
    first, second = (made for _, made in office.taken)
    assert first["Message-ID"] == second["Message-ID"]


async def test_a_worker_killed_before_the_servers_yes_loses_nothing(
    office: PostOffice, action: Action, zoe: User, db: str
) -> None:
    await write(action, zoe, "zoe@example.fr", "ana@example.fr")
    office.hangs = True
    worker = await _worker(db, office, action, "test")
    async with asyncio.timeout(30):
        await office.reached.wait()
    worker.kill()
    await worker.wait()
    office.hangs = False
    assert office.taken == []
    assert await deliver_due(to(office), action.at + HOUR, head=HEAD) == 2
    assert sorted(office.addresses) == ["ana@example.fr", "zoe@example.fr"]


async def _worker(db: str, office: PostOffice, action: Action, killer: str) -> asyncio.subprocess.Process:
    root = Path(__file__).parents[2]
    return await asyncio.create_subprocess_exec(
        sys.executable, Path(__file__).with_name("dying_worker.py"),
        db, f"smtp://127.0.0.1:{office.port}?starttls=never", action.at.isoformat(), killer,
        env=os.environ | {"PYTHONPATH": str(root)},
    )  # fmt: skip


@pytest.mark.parametrize("silent", ["at once", "after a greeting"])
async def test_a_server_that_says_nothing_is_left_after_the_first_email(
    action: Action, zoe: User, monkeypatch: pytest.MonkeyPatch, silent: str
) -> None:
    monkeypatch.setattr("mail.transport._COMMAND_SECONDS", 0.2)
    met = 0

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal met
        met += 1
        if silent == "after a greeting":
            writer.write(b"220 here\r\n")
        await reader.read()
        writer.close()

    await write(action, zoe, *(f"p{n}@example.fr" for n in range(5)))
    async with await asyncio.start_server(mute, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        mute_server = transport(f"smtp://127.0.0.1:{port}?starttls=never")
        assert await deliver_due(mute_server, action.at, head=HEAD) == 0
    assert met == 1  # each would wait as long: later emails would be late by minutes
    async with PostOffice().open() as back:
        assert await deliver_due(to(back), action.at + MINUTE, head=HEAD) == 5


async def test_what_was_given_up_is_told_to_the_operator(office: PostOffice, action: Action, zoe: User) -> None:
    office.recipients["gone@example.fr"] = "550 no such user"
    gone, _ = await write(action, zoe, "gone@example.fr", "good@example.fr")
    with capture_logs() as logged:
        await deliver_due(to(office), action.at, head=HEAD)
    [told] = [entry for entry in logged if entry["log_level"] == "error"]
    assert (told["event"], told["email"], told["reason"]) == ("email.given_up", gone.pk, "SMTPRecipientRefused 550")
