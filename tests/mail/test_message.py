"""A stored email as a message, read back by the standard library's parser."""

import re
from datetime import timedelta

import pytest

from mail import emails
from mail.customer_space import customer_space
from mail.message import Sender, message
from mail.transport import transport_from_url
from models.action import Action
from models.billing.invoice import Invoice, InvoiceDocument
from models.identity.user import User
from models.locale import Locale
from models.operations.email import Email
from models.support.message import Message
from models.support.ticket import Ticket
from tests.mail.conftest import PDF, SENDER, SITE, body, html_of, parse, text_of
from tests.mail.smtp_server import SmtpServer


async def verification(action: Action, user: User) -> Email:
    async with action.transaction() as tx:
        return await emails.send_verification(tx, user, "TOKEN-123")


@pytest.mark.parametrize(
    ("locale", "title"),
    [(Locale.FR, "Politique de confidentialité"), (Locale.EN, "Privacy policy")],
)
async def test_p4_4_every_email_links_to_the_privacy_policy(
    action: Action, zoe: User, locale: Locale, title: str
) -> None:
    zoe.locale = locale
    email = await verification(action, zoe)
    colon = "\u00a0:" if locale is Locale.FR else ":"
    assert text_of(email).endswith(f"\n\n{title}{colon} {SITE}/policies/privacy\n")
    assert (
        f'<a class="soft" href="{SITE}/policies/privacy" style="color:#5c6661">{title}</a>'
        in html_of(email)
    )


async def test_links_lead_to_the_site_as_it_is_configured_at_delivery(
    action: Action, zoe: User
) -> None:
    """An email that waits while the site moves leads to the new address."""
    email = await verification(action, zoe)
    assert SITE not in email.text + email.html
    for base_url in (SITE, "http://127.0.0.1:8000"):
        parsed_message = parse(message(email, Sender("CAMCHA <bonjour@camcha.example>", base_url)))
        assert f"\n{base_url}/verify?token=TOKEN-123\n" in body(parsed_message, "plain")
        assert f'href="{base_url}/verify?token=TOKEN-123"' in body(parsed_message, "html")
        assert "camcha:" not in body(parsed_message, "plain") + body(parsed_message, "html")


async def test_links_lead_to_the_customer_space_if_there_is_one(action: Action, zoe: User) -> None:
    paths = "sign-in=/login?from=email reset=/password/{token} ticket=/help/{number}"
    space = customer_space("https://app.example.fr/fr/", paths)
    sender = Sender("CAMCHA <bonjour@camcha.example>", SITE, space)
    ticket = Ticket(id=42, subject="Aide", created_at=action.at)
    ticket.account_id = None  # type: ignore[assignment] # no company is stored
    reply = Message(id=1, author=zoe, body="Bonjour", at=action.at)
    async with action.transaction() as tx:
        stored = {
            f"{SITE}/verify?token=TOKEN-123": await emails.send_verification(tx, zoe, "TOKEN-123"),
            "https://app.example.fr/fr/password/cam_x-1": await emails.send_password_reset(
                tx, zoe, "cam_x-1"
            ),
            "https://app.example.fr/fr/login?from=email": await emails.send_password_changed(
                tx, zoe
            ),
            "https://app.example.fr/fr/help/CAM-2026-000042": await emails.send_ticket_replies(
                tx, zoe, ticket, [reply], {}, 0
            ),
            # staff don't belong there
            f"{SITE}/reset?token=cam_y": await emails.send_staff_welcome(tx, zoe, "cam_y"),
        }
    for url, email in stored.items():
        parsed_message = parse(message(email, sender))
        assert f"\n{url}\n" in body(parsed_message, "plain")
        assert f'href="{url}"' in body(parsed_message, "html")
        assert f"{SITE}/policies/privacy" in body(parsed_message, "plain")


async def test_the_base_url_is_escaped_in_html(action: Action, zoe: User) -> None:
    sender = Sender("CAMCHA <bonjour@camcha.example>", 'https://x"><script>')
    html = body(parse(message(await verification(action, zoe), sender)), "html")
    assert "<script" not in html
    assert 'href="https://x&quot;&gt;&lt;script&gt;/verify?token=TOKEN-123"' in html


async def test_emails_stored_by_an_earlier_version_are_sent_with_working_links(
    action: Action, zoe: User
) -> None:
    """They contain absolute links, and another placeholder for the privacy policy."""
    email = await verification(action, zoe)
    email.text = "https://camcha.example/verify?token=a.b\n\ncamcha:privacy-policy\n"
    email.html = (
        '<a href="https://camcha.example/verify?token=a.b">a</a> <a '
        'href="camcha:privacy-policy">b</a>'
    )
    assert text_of(email) == f"https://camcha.example/verify?token=a.b\n\n{SITE}/policies/privacy\n"
    assert re.findall('href="(.*?)"', html_of(email)) == [
        f"{SITE}/verify?token=a.b",
        f"{SITE}/policies/privacy",
    ]


async def test_p1_4_the_headers_of_an_email(action: Action, zoe: User) -> None:
    parsed_message = parse(message(await verification(action, zoe), SENDER))
    assert parsed_message["From"] == SENDER.mailbox
    assert parsed_message["To"] == "zoe@example.fr"
    assert parsed_message["Subject"] == "Confirmez votre adresse e-mail"
    assert parsed_message["Date"].datetime == action.at.replace(microsecond=0)
    assert parsed_message["Content-Language"] == "fr"
    assert parsed_message["Auto-Submitted"] == "auto-generated"
    assert parsed_message.get_content_type() == "multipart/alternative"


async def test_p1_4_text_and_html_arrive_as_written(action: Action, zoe: User) -> None:
    email = await verification(action, zoe)
    assert text_of(email) == email.text.replace("camcha:/", f"{SITE}/")
    assert html_of(email).rstrip() == email.html.replace("camcha:/", f"{SITE}/").rstrip()
    assert message(email, SENDER).as_bytes().isascii()


async def test_p2_4_the_pdf_is_attached_byte_for_byte(
    action: Action, zoe: User, invoice: Invoice
) -> None:
    async with action.transaction() as tx:
        email = await emails.send_invoice_issued(tx, zoe, invoice, "TOKEN-123")
    document = await InvoiceDocument.get(invoice_id=invoice.pk).select_related("invoice")
    parsed_message = parse(message(email, SENDER, document))
    [attachment] = parsed_message.iter_attachments()
    assert attachment.get_content() == PDF
    assert attachment.get_content_type() == "application/pdf"
    assert attachment.get_filename() == "FA-2026-000042.pdf"
    assert body(parsed_message, "plain") == text_of(email)


async def test_the_message_id_of_an_email_never_changes(action: Action, zoe: User) -> None:
    first, second = await verification(action, zoe), await verification(action, zoe)
    message_id = message(first, SENDER)["Message-ID"]
    stored = await Email.get(pk=first.pk)
    await stored.mark_failed(action.at + timedelta(hours=1), permanent=False)
    assert message(await Email.get(pk=first.pk), SENDER)["Message-ID"] == message_id
    assert message_id.startswith("<email-")
    assert message_id.endswith("@camcha.example>")
    assert "zoe" not in message_id
    assert message(second, SENDER)["Message-ID"] != message_id


async def test_p1_4_a_hostile_name_adds_no_header(action: Action, zoe: User) -> None:
    zoe.name = "Zoé\r\nBcc: victim@example.org\r\n\r\n<script>"
    parsed_message = parse(message(await verification(action, zoe), SENDER))
    assert "Bcc" not in parsed_message
    assert "Bonjour Zoé Bcc: victim@example.org <script>,\n" in body(parsed_message, "plain")


@pytest.mark.parametrize(
    "recipient",
    [
        "a@example.fr\r\nBcc: b@example.org",
        "a@example.fr, b@example.org",
        "Zoé <a@example.fr>",
        "a@example.fr\n",
    ],
)
async def test_the_recipient_must_be_a_single_plain_address(
    action: Action, zoe: User, recipient: str
) -> None:
    email = await verification(action, zoe)
    email.recipient = recipient
    with pytest.raises(ValueError, match=r".+"):
        message(email, SENDER)


async def test_a_subject_with_line_breaks_is_rejected(action: Action, zoe: User) -> None:
    email = await verification(action, zoe)
    email.subject = "Bonjour\r\nBcc: victim@example.org"
    with pytest.raises(ValueError, match=r".+"):
        message(email, SENDER)


async def test_long_and_non_ascii_addresses_are_kept(action: Action, zoe: User) -> None:
    email = await verification(action, zoe)
    for recipient in ("zoé@exemple.fr", "a" * 64 + "@" + "b" * 60 + "." + "c" * 60 + ".example.fr"):
        email.recipient = recipient
        assert f"\nTo: {recipient}\r\n".encode() in message(email, SENDER).as_bytes()


async def test_a_domain_outside_ascii_needs_no_special_server(action: Action, zoe: User) -> None:
    email = await verification(action, zoe)
    email.recipient = "zoe@exämple.fr"
    sender = Sender("Société <bonjour@sociéte.example>", SITE)
    async with SmtpServer().open() as server:
        url = f"smtp://127.0.0.1:{server.port}?starttls=never"
        await transport_from_url(url).send(message(email, sender))
    (address, received) = server.received[0]
    assert (address, received["To"]) == ("zoe@xn--exmple-cua.fr", "zoe@xn--exmple-cua.fr")
    assert str(received["From"]) == "Société <bonjour@xn--socite-eva.example>"
    email.recipient = "zoé@exämple.fr"  # only a server with SMTPUTF8 can take this one
    assert "To: zoé@exämple.fr".encode() in message(email, SENDER).as_bytes()


async def test_the_name_of_the_sender_may_contain_commas_and_at_signs(
    action: Action, zoe: User
) -> None:
    email = await verification(action, zoe)
    for name in ("Care Team, Billing", "Aide @ CAMCHA", "Équipe (nuit)"):
        sent = message(email, Sender(f"{name} <bonjour@camcha.example>", SITE))
        parsed = parse(sent)
        assert [(each.display_name, each.addr_spec) for each in parsed["From"].addresses] == [
            (name, "bonjour@camcha.example")
        ]


async def test_long_message_ids_of_a_thread_stay_as_they_are(action: Action, zoe: User) -> None:
    email = await verification(action, zoe)
    ids = [f"{'x' * length}@mail.example" for length in (20, 90, 220)]
    email.thread = " ".join(ids)
    lines = message(email, SENDER).as_bytes().decode().split("\r\n")
    begin = next(number for number, line in enumerate(lines) if line.startswith("References:"))
    assert lines[begin : begin + 3] == [
        f"References: <{ids[0]}>",
        f" <{ids[1]}>",
        f" <{ids[2]}>",
    ]
    assert f"In-Reply-To: <{ids[2]}>" in lines
