"""An email as a message, read back by the standard library's parser."""

from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from mail import emails
from mail.message import PRIVACY_POLICY, Sender, message
from models.action import Action
from models.billing.invoice import Invoice, InvoiceDocument
from models.identity.user import User
from models.locale import Locale
from models.operations.email import Email
from tests.mail.conftest import PDF

HEAD = Sender("CAMCHA <bonjour@camcha.example>", "https://camcha.example/policies/privacy")
LINK = "https://camcha.example/verifier?token=" + "a" * 200


async def verification(action: Action, user: User) -> Email:
    async with action.transaction() as tx:
        return await emails.verification(tx, user, LINK, "TOKEN-123")


def delivered(made: EmailMessage) -> EmailMessage:
    """What a mail reader makes of the bytes."""
    read = message_from_bytes(made.as_bytes(), policy=policy.default)
    assert isinstance(read, EmailMessage)
    assert not [defect for part in read.walk() for defect in part.defects]
    return read


def body(made: EmailMessage, kind: str) -> str:
    part = made.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def sent(words: str) -> str:
    """An email's words as they are sent: with the privacy policy's address."""
    return words.replace(PRIVACY_POLICY, HEAD.privacy_policy)


@pytest.mark.parametrize(("locale", "words"), [(Locale.FR, "Politique de confidentialité"), (Locale.EN, "Privacy policy")])
async def test_p4_4_every_email_leads_to_the_privacy_policy(action: Action, zoe: User, locale: Locale, words: str) -> None:
    zoe.locale = locale
    made = delivered(message(await verification(action, zoe), HEAD))
    colon = "\u00a0:" if locale is Locale.FR else ":"
    assert body(made, "plain").endswith(f"\n\n{words}{colon} {HEAD.privacy_policy}\n")
    assert f'<a href="{HEAD.privacy_policy}" style="color:#5c6661">{words}</a>' in body(made, "html")
    assert PRIVACY_POLICY not in str(made)


async def test_p1_4_the_headers_of_an_email(action: Action, zoe: User) -> None:
    made = delivered(message(await verification(action, zoe), HEAD))
    assert made["From"] == HEAD.sender
    assert made["To"] == "zoe@example.fr"
    assert made["Subject"] == "Confirmez votre adresse e-mail"
    assert made["Date"].datetime == action.at
    assert made["Content-Language"] == "fr"
    assert made["Auto-Submitted"] == "auto-generated"
    assert made.get_content_type() == "multipart/alternative"


async def test_p1_4_text_and_html_arrive_as_written(action: Action, zoe: User) -> None:
    email = await verification(action, zoe)
    made = delivered(message(email, HEAD))
    assert body(made, "plain") == sent(email.text)
    assert body(made, "html").rstrip() == sent(email.html).rstrip()
    assert message(email, HEAD).as_bytes().isascii()


async def test_p2_4_the_pdf_is_attached_byte_for_byte(action: Action, zoe: User, invoice: Invoice) -> None:
    async with action.transaction() as tx:
        email = await emails.invoice_issued(tx, zoe, invoice, LINK)
    document = await InvoiceDocument.get(invoice_id=invoice.pk).select_related("invoice")
    made = delivered(message(email, HEAD, document))
    [attached] = made.iter_attachments()
    assert attached.get_content() == PDF
    assert attached.get_content_type() == "application/pdf"
    assert attached.get_filename() == "FA-2026-000042.pdf"
    assert body(made, "plain") == sent(email.text)


async def test_the_message_id_is_the_emails_own_for_ever(action: Action, zoe: User) -> None:
    first, second = await verification(action, zoe), await verification(action, zoe)
    name = message(first, HEAD)["Message-ID"]
    stored = await Email.get(pk=first.pk)
    await stored.failed(action.at + timedelta(hours=1), final=False)
    assert message(await Email.get(pk=first.pk), HEAD)["Message-ID"] == name
    assert name.startswith(f"<email-{first.pk}.")
    assert name.endswith("@camcha.example>")
    assert "zoe" not in name
    assert message(second, HEAD)["Message-ID"] != name


async def test_p1_4_a_hostile_name_adds_no_header(action: Action, zoe: User) -> None:
    zoe.name = "Zoé\r\nBcc: victim@example.org\r\n\r\n<script>"
    made = delivered(message(await verification(action, zoe), HEAD))
    assert "Bcc" not in made
    assert "Bonjour Zoé Bcc: victim@example.org <script>,\n" in body(made, "plain")


@pytest.mark.parametrize(
    "recipient", ["a@example.fr\r\nBcc: b@example.org", "a@example.fr, b@example.org", "Zoé <a@example.fr>", "a@example.fr\n"]
)
async def test_only_one_plain_address_is_written_to(action: Action, zoe: User, recipient: str) -> None:
    email = await verification(action, zoe)
    email.recipient = recipient
    with pytest.raises(ValueError, match=r".+"):
        message(email, HEAD)


async def test_a_broken_subject_is_refused(action: Action, zoe: User) -> None:
    email = await verification(action, zoe)
    email.subject = "Bonjour\r\nBcc: victim@example.org"
    with pytest.raises(ValueError, match=r".+"):
        message(email, HEAD)


async def test_addresses_beyond_ascii_and_long_ones_survive(action: Action, zoe: User) -> None:
    email = await verification(action, zoe)
    for recipient in ("zoé@exemple.fr", "a" * 64 + "@" + "b" * 60 + "." + "c" * 60 + ".example.fr"):
        email.recipient = recipient
        assert f"\nTo: {recipient}\r\n".encode() in message(email, HEAD).as_bytes()
