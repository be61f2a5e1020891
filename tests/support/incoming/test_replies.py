"""An answer by email arrives in the ticket that it belongs to."""

import asyncio
import smtplib
from email.message import EmailMessage

from models.support.incoming_email import IncomingEmail, IncomingEmailReason, IncomingEmailStatus
from tests.support.incoming.conftest import SUPPORT, MailDesk


def answer_to(sent: EmailMessage, text: str, **headers: str) -> bytes:
    """What a mail program sends when a person answers an email."""
    reply = EmailMessage()
    reply["From"] = "Paul Meunier <paul@fournil.example>"
    reply["To"] = str(sent["Reply-To"])
    reply["Subject"] = f"Re: {sent['Subject']}"
    reply["Message-ID"] = headers.pop("message_id", "<answer-1@fournil.example>")
    for name, value in headers.items():
        reply[name.replace("_", "-")] = value
    body = sent.get_body(("plain",))
    assert body
    quote = "\n".join(f"> {line}" for line in body.get_content().splitlines())
    introduction = "Le lun. 23 nov. 2026 à 10:12, CAMCHA <bonjour@camcha.example> a écrit :"
    reply.set_content(f"{text}\n\n{introduction}\n{quote}")
    return reply.as_bytes()


async def test_p5_1_an_answer_by_email_arrives_in_its_ticket_without_what_it_quotes(
    listening_desk: MailDesk,
) -> None:
    desk = listening_desk
    ticket = await desk.open_ticket()
    sent = desk.sent(await desk.answer(ticket))
    assert str(sent["Reply-To"]).startswith(f"support+{ticket.pk}.")

    raw = answer_to(sent, "La version 3.2.", In_Reply_To=str(sent["Message-ID"]))
    await desk.deliver(raw, [str(sent["Reply-To"])])
    stored = await IncomingEmail.get()
    assert stored.status is IncomingEmailStatus.RECEIVED  # acknowledged, and still to be read
    email = await desk.read()
    assert (email.status, email.reason) == (IncomingEmailStatus.POSTED, IncomingEmailReason.REPLY)
    message = (await desk.messages_of(ticket))[-1]
    assert (message.pk, message.author_id, message.body) == (
        email.posted_message_id,
        desk.paul.pk,
        "La version 3.2.",
    )
    assert "Quelle version utilisez-vous" in email.text  # the whole is kept

    # The next email continues the thread in the customer's mail program.
    again = desk.sent(await desk.answer(ticket, "Merci, c'est corrigé."))
    assert again["In-Reply-To"] == "<answer-1@fournil.example>"
    assert again["References"].split() == [str(sent["Message-ID"]), "<answer-1@fournil.example>"]


async def test_p5_1_an_answer_is_matched_by_references_or_by_its_signed_address(
    listening_desk: MailDesk,
) -> None:
    desk = listening_desk
    ticket = await desk.open_ticket()
    sent = desk.sent(await desk.answer(ticket))
    references = f"<unknown@elsewhere.example> {sent['Message-ID']}"
    await desk.deliver(answer_to(sent, "Par références.", References=references))
    assert (await desk.read()).reason is IncomingEmailReason.REPLY

    # A program that keeps no headers: the address that the mail was delivered to names the ticket.
    raw = answer_to(sent, "Par adresse.", message_id="<answer-2@fournil.example>")
    raw = raw.replace(str(sent["Reply-To"]).encode(), SUPPORT.encode())
    await desk.deliver(raw, [str(sent["Reply-To"]).upper()])
    assert (await desk.read()).reason is IncomingEmailReason.REPLY

    # The subject alone, or an address that isn't signed by us, opens a new ticket.
    forged = f"support+{ticket.pk}.aaaaaaaaaaaaaaaa@camcha.example"
    raw = answer_to(sent, "Par objet.", message_id="<answer-3@fournil.example>")
    raw = raw.replace(str(sent["Reply-To"]).encode(), forged.encode())
    raw = raw.replace(b"Subject: Re:", f"Subject: {ticket.number}".encode())
    await desk.deliver(raw, [forged])
    assert (await desk.read()).reason is IncomingEmailReason.NEW_TICKET
    bodies = await desk.messages_of(ticket)
    assert [each.body for each in bodies[-2:]] == ["Par références.", "Par adresse."]


async def test_p5_1_lmtp_answers_for_each_recipient_and_foreign_recipients_are_refused(
    listening_desk: MailDesk,
) -> None:
    desk = listening_desk
    raw = b"From: paul@fournil.example\r\nSubject: Bonjour\r\n\r\nUne question.\r\n"

    def send() -> dict[str, tuple[int, bytes]]:
        with smtplib.LMTP("127.0.0.1", desk.ports["lmtp"], local_hostname="mx") as client:
            refused = client.sendmail(
                "paul@fournil.example", [SUPPORT, "elsewhere@other.example"], raw
            )
            assert client.noop()[0] == 250  # no answer is left over
            return refused

    refused = await asyncio.to_thread(send)
    assert {address: code for address, (code, _) in refused.items()} == {
        "elsewhere@other.example": 550
    }
    assert (await desk.read()).reason is IncomingEmailReason.NEW_TICKET
