"""Emails are read from an IMAP mailbox, and marked as seen once they are stored."""

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

from models.support.incoming_email import IncomingEmail, IncomingEmailReason
from support.incoming.mailbox import read_mailbox
from support.incoming.options import MailboxOptions
from tests.mail.smtp_server import certificate
from tests.support.incoming.conftest import MailDesk
from tests.support.incoming.imap_server import imap_server

RAW = b"From: paul@fournil.example\r\nSubject: Question %d\r\nMessage-ID: <%d@x>\r\n\r\nBonjour\r\n"
MAX_BYTES = 10_000


async def read(desk: MailDesk, options: MailboxOptions) -> int:
    return await read_mailbox(options, desk.services.files.store, desk.clock.now, MAX_BYTES)


async def subjects() -> list[str]:
    return [email.subject for email in await IncomingEmail.all().order_by("id")]


async def test_p5_1_a_mailbox_is_read_once_by_several_processes(
    desk: MailDesk, tmp_path: Path
) -> None:
    ca_file, server_tls = certificate(tmp_path)
    client_tls = ssl.create_default_context(cafile=ca_file)
    async with imap_server(server_tls, client_tls) as mailbox:
        for number in range(3):
            await mailbox.put(RAW % (number, number))
        options = MailboxOptions.from_url(f"{mailbox.url}?ca_file={ca_file}")
        await asyncio.gather(read(desk, options), read(desk, options))
        assert await mailbox.unseen() == []
        assert await read(desk, options) == 0
        # A process died after it had stored an email and before it was marked as seen.
        (uid,) = (await mailbox.client.uid_search("SUBJECT 1", charset=None)).lines[0].split()
        await mailbox.client.uid("store", uid.decode(), "-FLAGS", r"(\Seen)")
        assert await read(desk, options) == 1
        assert await mailbox.unseen() == []
        await desk.read()
        assert await subjects() == ["Question 0", "Question 1", "Question 2"]
        assert {email.reason for email in await IncomingEmail.all()} == {
            IncomingEmailReason.NEW_TICKET
        }


async def test_an_unstored_email_stays_unseen(desk: MailDesk, tmp_path: Path) -> None:
    async with imap_server() as mailbox:
        await mailbox.put(RAW % (1, 1))
        options = MailboxOptions.from_url(mailbox.url)
        folder = tmp_path / "files"
        folder.rename(tmp_path / "away")
        assert await read(desk, options) == 0
        assert await mailbox.unseen() != []
        (tmp_path / "away").rename(folder)
        assert await read(desk, options) == 1
        assert await mailbox.unseen() == []


async def test_of_an_email_that_is_too_large_only_the_headers_are_stored(desk: MailDesk) -> None:
    async with imap_server() as mailbox:
        await mailbox.put(RAW % (1, 1) + b"x" * 80 + b"\r\n" * 10_000)
        assert await read(desk, MailboxOptions.from_url(mailbox.url)) == 1
    email = await IncomingEmail.get()
    assert email.is_partial
    assert email.size > 20_000
    parsed = await desk.read()
    assert (parsed.subject, parsed.text) == ("Question 1", "")


async def test_a_server_that_refuses_or_is_away_delays_emails(desk: MailDesk) -> None:
    async with imap_server() as mailbox:
        await mailbox.put(RAW % (1, 1))
        options = MailboxOptions.from_url(mailbox.url)
        assert await read(desk, replace(options, password="wrong")) == 0
        assert await read(desk, replace(options, folder="Missing")) == 0
        assert await read(desk, replace(options, port=1)) == 0
        assert await mailbox.unseen() != []
