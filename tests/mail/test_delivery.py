"""Delivery: every email arrives, however servers and workers fail, and none delays another."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from structlog.testing import capture_logs
from tortoise.connection import get_connection
from tortoise.exceptions import OperationalError

from mail import emails
from mail.delivery import LEASE, deliver_due
from mail.delivery import _claim as claim_email
from mail.transport import DeliveryError, Transport, transport_from_url
from models.action import Action
from models.billing.invoice import Invoice, InvoiceDocument
from models.clock import SystemClock
from models.database.append_only import allow_changes
from models.identity.user import User
from models.operations.email import Email, EmailPriority
from tests.conftest import MovableClock
from tests.mail.conftest import PDF, SENDER
from tests.mail.smtp_server import SmtpServer
from tests.people import create_account
from tests.realtime.socket_fixtures import wait_until
from tests.waiting import MAX_WAIT

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
async def server() -> AsyncIterator[SmtpServer]:
    async with SmtpServer().open() as server:
        yield server


def transport_to(server: SmtpServer) -> Transport:
    return transport_from_url(f"smtp://127.0.0.1:{server.port}?starttls=never")


async def store_emails(action: Action, user: User, *recipients: str) -> list[Email]:
    """One email to each recipient, in this order."""
    stored_emails = []
    async with action.transaction() as tx:
        for recipient in recipients:
            user.email = recipient
            stored_emails.append(await emails.send_verification(tx, user, "TOKEN-123"))
    return stored_emails


async def test_p1_4_an_email_is_sent_once(server: SmtpServer, action: Action, zoe: User) -> None:
    [email] = await store_emails(action, zoe, "zoe@example.fr")
    assert await deliver_due(transport_to(server), action.at, sender=SENDER) == 1
    assert await deliver_due(transport_to(server), action.at + HOUR, sender=SENDER) == 0
    await email.refresh_from_db()
    assert (email.sent_at, email.next_attempt_at, email.attempts) == (action.at, None, 1)
    assert server.addresses == ["zoe@example.fr"]


async def test_p1_4_french_and_english_readers_get_their_own_language(
    server: SmtpServer, action: Action, zoe: User, john: User
) -> None:
    await store_emails(action, zoe, "zoe@example.fr")
    await store_emails(action, john, "john@example.com")
    await deliver_due(transport_to(server), action.at, sender=SENDER)
    received_emails = dict(server.received)
    assert [
        received_emails[address]["Content-Language"]
        for address in ("zoe@example.fr", "john@example.com")
    ] == ["fr", "en"]
    french, english = (
        received_emails[address].get_body(("plain",))
        for address in ("zoe@example.fr", "john@example.com")
    )
    assert french is not None
    assert english is not None
    assert "Bonjour Zoé Lefèvre,\r\n\r\nBienvenue chez CAMCHA\u202f!" in french.get_content()
    assert "Hello John Smith,\r\n\r\nWelcome to CAMCHA!" in english.get_content()


async def test_p2_4_the_invoice_arrives_with_its_pdf(
    server: SmtpServer, action: Action, zoe: User, invoice: Invoice
) -> None:
    async with action.transaction() as tx:
        await emails.send_invoice_issued(tx, zoe, invoice, "TOKEN-123")
    await deliver_due(transport_to(server), action.at, sender=SENDER)
    [attached] = server.received[0][1].iter_attachments()
    assert attached.get_content() == PDF
    assert attached.get_filename() == "FA-2026-000042.pdf"


async def test_p2_4_an_invoice_is_not_sent_without_its_pdf(
    server: SmtpServer, action: Action, zoe: User, invoice: Invoice
) -> None:
    async with action.transaction() as tx:
        await emails.send_invoice_issued(tx, zoe, invoice, "TOKEN-123")
    await allow_changes(get_connection("default"), ["invoice_document"])
    await InvoiceDocument.all().delete()
    assert await deliver_due(transport_to(server), action.at, sender=SENDER) == 0
    assert server.received == []


def read_file_url(url: str) -> bytes:
    """The content of a file: URL."""
    return Path(unquote(urlsplit(url).path)).read_bytes()


async def test_the_log_links_the_file_and_contains_no_personal_data(
    tmp_path: Path, action: Action, zoe: User
) -> None:
    [email] = await store_emails(action, zoe, "zoe@example.fr")
    with capture_logs() as logged:
        await deliver_due(transport_from_url(f"file://{tmp_path}"), action.at, sender=SENDER)
    [entry] = logged
    assert (entry["event"], entry["email"], entry["template"]) == (
        "email.delivered",
        email.pk,
        "verification.fr",
    )
    assert read_file_url(str(entry["link"])).startswith(b"From: CAMCHA")
    for personal_data in ("zoe", "Zoé", "example.fr", "Confirmez", "TOKEN"):
        assert personal_data not in str(logged).replace(str(tmp_path), "")


async def test_logged_failures_contain_no_personal_data(
    server: SmtpServer, action: Action, zoe: User
) -> None:
    server.rejected_recipients["zoe@example.fr"] = "550 zoe@example.fr does not exist"
    await store_emails(action, zoe, "zoe@example.fr", "zoe@example.fr\nBcc: eve@example.org")
    with capture_logs() as logged:
        await deliver_due(transport_to(server), action.at, sender=SENDER)
    assert [entry["event"] for entry in logged] == ["email.given_up", "email.failed"]
    assert logged[0]["reason"] == "SMTPRecipientRefused 550"
    assert "example" not in str(logged)


async def test_an_email_that_fails_does_not_delay_the_others(
    server: SmtpServer, action: Action, zoe: User
) -> None:
    server.rejected_recipients |= {
        "gone@example.fr": "550 no such user",
        "busy@example.fr": "451 later",
    }
    undeliverable, deferred, malformed, _ = await store_emails(
        action,
        zoe,
        "gone@example.fr",
        "busy@example.fr",
        "x@example.fr\r\nBcc: eve@example.org",
        "good@example.fr",
    )
    assert await deliver_due(transport_to(server), action.at, sender=SENDER) == 1
    assert server.addresses == ["good@example.fr"]
    for email in (undeliverable, deferred, malformed):
        await email.refresh_from_db()
        assert (email.sent_at, email.attempts) == (None, 1)
    assert (undeliverable.next_attempt_at, deferred.next_attempt_at) == (None, action.at + MINUTE)


async def test_an_email_erased_during_its_delivery_does_not_delay_the_others(
    action: Action, zoe: User
) -> None:
    _, rejected, other = await store_emails(
        action, zoe, "gone@example.fr", "rejected@example.fr", "other@example.fr"
    )

    class ErasingTransport(Transport):
        """Erases each email but the last before it answers."""

        async def send(self, message: EmailMessage) -> str:
            await Email.filter(recipient=message["To"]).exclude(pk=other.pk).delete()
            if message["To"] == rejected.recipient:
                raise DeliveryError("later", permanent=False)
            return ""

    assert await deliver_due(ErasingTransport(), action.at, sender=SENDER) == 2
    assert [email.pk for email in await Email.filter(sent_at__isnull=False)] == [other.pk]


async def test_a_temporary_rejection_is_retried_at_growing_intervals(
    server: SmtpServer, action: Action, clock: MovableClock, zoe: User
) -> None:
    server.rejected_recipients["zoe@example.fr"] = "451 come back later"
    [email] = await store_emails(action, zoe, "zoe@example.fr")
    intervals = []
    for _ in range(3):
        await deliver_due(transport_to(server), clock.now(), sender=SENDER)
        await email.refresh_from_db()
        assert email.next_attempt_at is not None
        intervals.append(email.next_attempt_at - clock.now())
        clock.time = email.next_attempt_at
    assert intervals == [MINUTE, 2 * MINUTE, 4 * MINUTE]
    server.rejected_recipients.clear()
    assert await deliver_due(transport_to(server), clock.now(), sender=SENDER) == 1


async def test_everything_is_delivered_after_the_server_recovers(action: Action, zoe: User) -> None:
    server = SmtpServer()
    async with server.open():
        pass
    await store_emails(action, zoe, "a@example.fr", "b@example.fr")
    assert await deliver_due(transport_to(server), action.at, sender=SENDER) == 0
    async with server.open(server.port):
        # The first one was tried and has to wait.
        assert await deliver_due(transport_to(server), action.at, sender=SENDER) == 1
        assert await deliver_due(transport_to(server), action.at + MINUTE, sender=SENDER) == 1
        assert await deliver_due(transport_to(server), action.at + HOUR, sender=SENDER) == 0
    assert server.addresses == ["b@example.fr", "a@example.fr"]


async def test_a_server_that_hangs_is_abandoned(
    server: SmtpServer, action: Action, zoe: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mail.delivery.SEND_TIMEOUT", timedelta(seconds=0.3))
    server.hangs = True
    [email] = await store_emails(action, zoe, "zoe@example.fr")
    async with asyncio.timeout(40):  # closing the connection doesn't wait for the server
        assert await deliver_due(transport_to(server), action.at, sender=SENDER) == 0
    await email.refresh_from_db()
    assert email.next_attempt_at == action.at + MINUTE


async def test_two_concurrent_workers_send_each_email_once(
    server: SmtpServer, action: Action, zoe: User
) -> None:
    recipients = [f"p{n:02}@example.fr" for n in range(20)]
    await store_emails(action, zoe, *recipients)
    sent = await asyncio.gather(
        *(deliver_due(transport_to(server), action.at, sender=SENDER) for _ in range(2))
    )
    assert sum(sent) == 20
    assert sorted(server.addresses) == recipients


async def test_a_batch_is_limited_and_begins_with_the_oldest(
    server: SmtpServer, action: Action, zoe: User
) -> None:
    await store_emails(action, zoe, "a@example.fr", "b@example.fr", "c@example.fr")
    assert await deliver_due(transport_to(server), action.at, limit=2, sender=SENDER) == 2
    assert server.addresses == ["a@example.fr", "b@example.fr"]


@pytest.mark.parametrize("template", ["password_reset", "already_registered", "invitation"])
def test_what_someone_waits_for_is_urgent(template: str) -> None:
    assert EmailPriority.for_template(template) is EmailPriority.URGENT


async def test_urgent_emails_are_sent_first(server: SmtpServer, action: Action, zoe: User) -> None:
    async with action.transaction() as tx:
        zoe.email = "normal@example.fr"
        await emails.send_account_status(tx, zoe, await create_account(action))
    await store_emails(action, zoe, "urgent@example.fr")
    assert await deliver_due(transport_to(server), action.at + MINUTE, sender=SENDER) == 2
    assert server.addresses == ["urgent@example.fr", "normal@example.fr"]


async def test_a_password_reset_overtakes_the_emails_that_are_being_sent(
    server: SmtpServer, action: Action, zoe: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mail.delivery._PREFETCH_SECONDS", 0)
    count = 60
    await store_emails(action, zoe, *(f"p{number}@example.fr" for number in range(count)))
    await Email.all().update(priority=EmailPriority.NORMAL)
    server.hangs = True
    delivery = asyncio.create_task(
        deliver_due(transport_to(server), action.at, count + 1, sender=SENDER, connections=2)
    )
    async with asyncio.timeout(MAX_WAIT):
        await server.data_received.wait()
    async with action.transaction() as tx:
        zoe.email = "urgent@example.fr"
        await emails.send_password_reset(tx, zoe, "TOKEN-123")
    server.resume()
    assert await delivery == count + 1
    assert "urgent@example.fr" in server.addresses[:4]


async def test_a_slow_email_delays_no_other_one(
    server: SmtpServer, action: Action, zoe: User
) -> None:
    _, slow, *_ = await store_emails(action, zoe, *(f"p{n}@example.fr" for n in range(6)))
    server.hanging_recipients.add(slow.recipient)
    delivery = asyncio.create_task(
        deliver_due(transport_to(server), action.at, sender=SENDER, connections=2)
    )
    await wait_until(lambda: len(server.received) == 5)
    await store_emails(action, zoe, "new@example.fr")  # sent although the slow one isn't yet
    await wait_until(lambda: "new@example.fr" in server.addresses)
    server.resume()
    assert await delivery == 7


@pytest.mark.parametrize("failing_claim", [1, 3])
async def test_a_database_error_interrupts_no_email_that_is_being_sent(
    server: SmtpServer,
    action: Action,
    zoe: User,
    monkeypatch: pytest.MonkeyPatch,
    failing_claim: int,
) -> None:
    stored_emails = await store_emails(action, zoe, *(f"p{n}@example.fr" for n in range(4)))
    server.hanging_recipients.add(stored_emails[1].recipient)
    claims: list[Email] = []

    async def claim(email: Email, at: datetime) -> bool:
        claims.append(email)
        if len(claims) == failing_claim:
            if failing_claim > 1:
                await server.is_hanging.wait()
            raise OperationalError("the database is gone")
        return await claim_email(email, at)

    monkeypatch.setattr("mail.delivery._claim", claim)
    delivery = asyncio.create_task(
        deliver_due(transport_to(server), action.at, sender=SENDER, connections=2)
    )
    await wait_until(lambda: len(claims) == failing_claim)
    if failing_claim > 1:
        async with asyncio.timeout(MAX_WAIT):
            await server.is_hanging.wait()
    server.resume()
    with pytest.raises(OperationalError):
        await delivery
    assert len(claims) == failing_claim
    assert len(server.received) == failing_claim - 1
    assert await Email.filter(sent_at__isnull=False).count() == failing_claim - 1
    await deliver_due(transport_to(server), action.at, sender=SENDER)
    assert server.addresses == [email.recipient for email in stored_emails]  # each once


async def test_emails_share_connections(server: SmtpServer, action: Action, zoe: User) -> None:
    recipients = [f"p{number:02}@example.fr" for number in range(20)]
    await store_emails(action, zoe, *recipients)
    sent_count = await deliver_due(transport_to(server), action.at, sender=SENDER, connections=3)
    assert sent_count == 20
    assert sorted(server.addresses) == recipients
    assert server.connections <= 3


async def test_the_lease_of_an_email_is_renewed_while_it_is_being_sent(
    server: SmtpServer, action: Action, zoe: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mail.delivery.LEASE", timedelta(seconds=0.6))
    [email] = await store_emails(action, zoe, "zoe@example.fr")
    server.hangs = True
    delivery = asyncio.create_task(
        deliver_due(transport_to(server), action.at, sender=SENDER, now=SystemClock().now)
    )
    leases: set[object] = set()
    async with asyncio.timeout(MAX_WAIT):
        await server.data_received.wait()
        while len(leases) < 4:
            await email.refresh_from_db()
            leases.add(email.next_attempt_at)
            await asyncio.sleep(0.05)
    server.resume()
    assert await delivery == 1
    await email.refresh_from_db()
    assert email.next_attempt_at is None
    assert server.addresses == ["zoe@example.fr"]


async def test_a_worker_killed_after_the_server_accepted_loses_nothing(
    server: SmtpServer, action: Action, zoe: User, db: str
) -> None:
    [email] = await store_emails(action, zoe, "zoe@example.fr")
    assert await (await _start_worker(db, server, action, "itself")).wait() == -9
    await email.refresh_from_db()
    assert (len(server.received), email.sent_at) == (1, None)
    # The killed worker's lease hasn't ended.
    assert await deliver_due(transport_to(server), action.at, sender=SENDER) == 0
    assert await deliver_due(transport_to(server), action.at + LEASE, sender=SENDER) == 1
    first, second = (message for _, message in server.received)
    assert first["Message-ID"] == second["Message-ID"]


async def test_a_worker_killed_before_the_server_accepted_loses_nothing(
    server: SmtpServer, action: Action, zoe: User, db: str
) -> None:
    await store_emails(action, zoe, "zoe@example.fr", "ana@example.fr")
    server.hangs = True
    worker = await _start_worker(db, server, action, "test")
    async with asyncio.timeout(MAX_WAIT):
        await server.data_received.wait()
    worker.kill()
    await worker.wait()
    server.hangs = False
    assert server.received == []
    assert await deliver_due(transport_to(server), action.at + HOUR, sender=SENDER) == 2
    assert sorted(server.addresses) == ["ana@example.fr", "zoe@example.fr"]


async def _start_worker(
    db: str, server: SmtpServer, action: Action, killed_by: str
) -> asyncio.subprocess.Process:
    root = Path(__file__).parents[2]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        Path(__file__).with_name("killed_worker.py"),
        db,
        f"smtp://127.0.0.1:{server.port}?starttls=never",
        action.at.isoformat(),
        killed_by,
        env=os.environ | {"PYTHONPATH": str(root)},
    )


@pytest.mark.parametrize("silence", ["at once", "after a greeting"])
async def test_a_silent_server_is_abandoned_after_the_first_email(
    action: Action, zoe: User, monkeypatch: pytest.MonkeyPatch, silence: str
) -> None:
    monkeypatch.setattr("mail.transport._COMMAND_TIMEOUT", 0.2)
    connections = 0

    async def stay_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if silence == "after a greeting":
            writer.write(b"220 here\r\n")
        await reader.read()
        writer.close()

    await store_emails(action, zoe, *(f"p{n}@example.fr" for n in range(5)))
    async with await asyncio.start_server(stay_silent, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        silent_server = transport_from_url(f"smtp://127.0.0.1:{port}?starttls=never")
        assert await deliver_due(silent_server, action.at, sender=SENDER) == 0
    assert connections == 1  # each email would wait as long, and delay later ones by minutes
    async with SmtpServer().open() as back:
        assert await deliver_due(transport_to(back), action.at + MINUTE, sender=SENDER) == 5


async def test_an_email_that_is_given_up_is_logged_as_an_error(
    server: SmtpServer, action: Action, zoe: User
) -> None:
    server.rejected_recipients["gone@example.fr"] = "550 no such user"
    undeliverable, _ = await store_emails(action, zoe, "gone@example.fr", "good@example.fr")
    with capture_logs() as logged:
        await deliver_due(transport_to(server), action.at, sender=SENDER)
    [error] = [entry for entry in logged if entry["log_level"] == "error"]
    assert (error["event"], error["email"], error["reason"]) == (
        "email.given_up",
        undeliverable.pk,
        "SMTPRecipientRefused 550",
    )
