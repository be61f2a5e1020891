"""The job decides about each email once, whatever happens meanwhile."""

import asyncio
import smtplib
from datetime import timedelta
from pathlib import Path

import pytest

from models.operations.email import Email
from models.support.automation import AutomationEvent
from models.support.incoming_email import (
    IncomingEmail,
    IncomingEmailReason,
    IncomingEmailSource,
    IncomingEmailStatus,
)
from models.support.message import Message
from models.support.ticket import Ticket
from models.support.ticket_actions import TicketActions
from models.support.ticket_status import TicketStatus
from support.automation_runs import run_automations
from support.automations import Definition, create_automation
from support.incoming.processing import process_due
from support.incoming.retention import delete_old_emails
from support.incoming.storing import store_email
from tests.support.incoming.conftest import AUTHSERV_ID, MAX_BYTES, SUPPORT, MailDesk
from tests.support.incoming.test_replies import answer_to

RAW = (
    "Authentication-Results: {authserv}; dkim=pass; dmarc=pass\r\nFrom: {sender}\r\n"
    "Subject: Question\r\nMessage-ID: <{name}@x>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0100\r\n"
    "\r\nBonjour.\r\n"
)


def raw(name: str, sender: str = "paul@fournil.example") -> bytes:
    return RAW.format(authserv=AUTHSERV_ID, sender=sender, name=name).encode()


async def test_p5_1_copies_become_one_message_in_several_processes(desk: MailDesk) -> None:
    ticket = await desk.open_ticket()
    sent = desk.sent(await desk.answer(ticket))
    answer = answer_to(sent, "Une seule fois.", In_Reply_To=str(sent["Message-ID"]))
    store = desk.services.files.store
    for number in range(3):  # to several addresses, by different ways
        copy = f"Received: by mx{number}\r\nDelivered-To: a{number}@x\r\n".encode() + answer
        await store_email(store, desk.clock.now(), IncomingEmailSource.LMTP, copy)
        await store_email(store, desk.clock.now(), IncomingEmailSource.LMTP, raw("new"))
    await asyncio.gather(*(process_due(desk.action, desk.services) for _ in range(3)))
    assert await Message.filter(body="Une seule fois.").count() == 1
    assert await Ticket.filter(subject="Question").count() == 1
    reasons = [email.reason.value for email in await IncomingEmail.all()]
    assert sorted(reasons) == ["DUPLICATE"] * 4 + ["NEW_TICKET", "REPLY"]


async def test_a_process_that_dies_posts_nothing_twice(desk: MailDesk) -> None:
    """The message was stored, and the email's status wasn't."""
    ticket = await desk.open_ticket()
    sent = desk.sent(await desk.answer(ticket))
    answer = answer_to(sent, "Une seule fois.", In_Reply_To=str(sent["Message-ID"]))
    for content in (answer, raw("new")):
        email = await desk.receive(content)
        posted_id = email.posted_message_id
        await IncomingEmail.filter(pk=email.pk).update(
            status=IncomingEmailStatus.RECEIVED,
            reason=None,
            posted_message_id=None,
            next_attempt_at=desk.clock.now(),
        )
        assert (await desk.read()).posted_message_id == posted_id
    assert await Message.filter(body="Une seule fois.").count() == 1
    assert await Ticket.filter(subject="Question").count() == 1


async def test_p5_1_a_closed_ticket_gets_a_follow_up_and_a_solved_one_is_reopened(
    desk: MailDesk,
) -> None:
    for status, reason in (("SOLVED", "REPLY"), ("CLOSED", "FOLLOW_UP")):
        ticket = await desk.open_ticket()
        sent = desk.sent(await desk.answer(ticket))
        await Ticket.filter(pk=ticket.pk).update(status=status)
        answer = answer_to(
            sent, "Encore.", In_Reply_To=str(sent["Message-ID"]), message_id=f"<{status}@x>"
        )
        email = await desk.receive(answer)
        assert email.reason.value == reason
        message = await Message.get(pk=email.posted_message_id).select_related("ticket")
        assert message.is_final  # because the email exists elsewhere
        if status == "CLOSED":
            assert message.ticket.follows_id == ticket.pk
        else:
            assert message.ticket.status is TicketStatus.OPEN


async def test_a_note_of_absence_reopens_nothing(desk: MailDesk) -> None:
    ticket = await desk.open_ticket()
    sent = desk.sent(await desk.answer(ticket))
    await Ticket.filter(pk=ticket.pk).update(status=TicketStatus.SOLVED)
    absence = answer_to(
        sent, "Absent.", In_Reply_To=str(sent["Message-ID"]), Auto_Submitted="auto-replied"
    )
    assert (await desk.receive(absence)).reason is IncomingEmailReason.AUTOMATIC_REPLY
    assert (await Ticket.get(pk=ticket.pk)).status is TicketStatus.SOLVED


async def test_p6_2_automations_answer_no_email_that_no_person_wrote(desk: MailDesk) -> None:
    thanks = Definition(AutomationEvent.CUSTOMER_REPLIED, TicketActions(reply_fr="Bien reçu."))
    await create_automation(desk.action, "Accusé", thanks, "key", is_enabled=True)
    ticket = await desk.open_ticket()
    sent = desk.sent(await desk.answer(ticket))
    headers = {"In_Reply_To": str(sent["Message-ID"])}
    answers: tuple[tuple[str, str, dict[str, str], int], ...] = (
        ("<absence@fournil.example>", "Absent.", {"Auto_Submitted": "auto-replied"}, 0),
        ("<person@fournil.example>", "La version 3.2.", {}, 1),
    )
    for message_id, text, more, count in answers:
        await desk.receive(answer_to(sent, text, message_id=message_id, **headers, **more))
        assert await run_automations(desk.action) == count
    assert [message.body for message in await desk.messages_of(ticket)][-1] == "Bien reçu."


async def test_p5_1_a_stranger_gets_one_answer_a_day(desk: MailDesk) -> None:
    async def answers() -> list[Email]:
        return await Email.filter(recipient="inconnu@ailleurs.example").order_by("id")

    for name in ("a", "b", "c"):
        await desk.receive(raw(name, "inconnu@ailleurs.example"))
    (first,) = await answers()
    assert first.thread == "a@x"
    assert desk.sent(first)["Auto-Submitted"] == "auto-generated"
    desk.clock.advance(timedelta(days=1))
    await desk.receive(raw("d", "inconnu@ailleurs.example"))
    assert len(await answers()) == 2


async def test_a_customer_is_told_about_refused_files(desk: MailDesk) -> None:
    corpus = Path(__file__).parents[1] / "emails"
    await desk.receive((corpus / "file_executable.eml").read_bytes())
    (email,) = await Email.filter(template__startswith="incoming_email_problem.")
    assert (email.recipient, email.user_id) == ("paul@fournil.example", desk.paul.pk)
    assert "facture exe" in email.text  # mail programs make no link of it


async def test_nothing_is_acknowledged_before_it_is_stored(
    listening_desk: MailDesk, tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    folder.rename(tmp_path / "away")
    with pytest.raises(smtplib.SMTPDataError) as raised:
        await listening_desk.deliver(raw("away"))
    assert raised.value.smtp_code == 451
    assert await IncomingEmail.all().count() == 0
    (tmp_path / "away").rename(folder)
    await listening_desk.deliver(raw("away"))
    assert await IncomingEmail.all().count() == 1

    with pytest.raises(smtplib.SMTPException) as too_large:
        await listening_desk.deliver(raw("large") + b"x" * MAX_BYTES)
    assert "552" in str(too_large.value)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await listening_desk.deliver(raw("relay"), ["victim@other.example"])
    await listening_desk.deliver(raw("plus"), [f"{SUPPORT.partition('@')[0]}+x@camcha.example"])
    assert await IncomingEmail.all().count() == 2


async def test_emails_are_deleted_when_their_time_is_over(desk: MailDesk, tmp_path: Path) -> None:
    posted = await desk.receive(raw("posted"))
    waiting = await desk.receive(raw("waiting", "inconnu@ailleurs.example"))
    ignored = await desk.receive(raw("posted"))
    store = desk.services.files.store
    desk.clock.advance(timedelta(days=31))
    assert await delete_old_emails(desk.action, store, timedelta(days=30)) == 2
    keys = {row.pk: row.raw_key is not None for row in await IncomingEmail.all()}
    assert keys == {posted.pk: False, waiting.pk: True, ignored.pk: False}
    assert len([path for path in (tmp_path / "files").rglob("*") if path.is_file()]) == 1
    desk.clock.advance(timedelta(days=180))
    await delete_old_emails(desk.action, store, timedelta(days=30))
    assert {row.pk for row in await IncomingEmail.all()} == {posted.pk, waiting.pk}
