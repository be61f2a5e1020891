"""An email as a message (RFC 5322, MIME)."""

from dataclasses import dataclass
from datetime import UTC
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr
from hashlib import sha256
from html import escape

from models.billing.invoice import InvoiceDocument
from models.operations.email import Email

PRIVACY_POLICY = "camcha:privacy-policy"  # stands in emails for the page's address, which is known where they are sent


@dataclass(frozen=True)
class Sender:
    """What is the same in all emails: a mailbox such as `CAMCHA <bonjour@camcha.example>`, and the privacy policy's page."""

    sender: str
    privacy_policy: str


def message(email: Email, head: Sender, document: InvoiceDocument | None = None) -> EmailMessage:
    """The email as text and HTML, with the invoice's PDF (its `invoice` fetched) attached under the invoice's number.

    Raises ValueError for an address that is not one.
    """
    made = EmailMessage(policy=SMTP if email.recipient.isascii() else SMTPUTF8)
    made["From"] = head.sender
    _address(made, email.recipient)
    made["Subject"] = email.subject
    made["Date"] = format_datetime(email.created_at)
    made["Message-ID"] = message_id(email, head.sender)
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: absence notes need not answer
    html = email.html.replace(PRIVACY_POLICY, escape(head.privacy_policy))
    made.set_content(email.text.replace(PRIVACY_POLICY, head.privacy_policy), cte="quoted-printable")
    made.add_alternative(html, subtype="html", cte="quoted-printable")
    if document:
        _attach(made, document)
    made["Content-Language"] = email.template.rpartition(".")[2]  # last: adding a part moves Content- headers into it
    return made


def _address(made: EmailMessage, recipient: str) -> None:
    made["To"] = recipient
    if [address.addr_spec for address in made["To"].addresses] != [recipient]:
        raise ValueError("the recipient is not one plain address")


def message_id(email: Email, sender: str) -> str:
    """`<email-12.5f0c...@domain>`, the same at every attempt, so that mailboxes can recognise one delivered twice."""
    written = email.created_at.astimezone(UTC).isoformat()
    token = sha256(f"{email.pk} {written} {email.text}".encode()).hexdigest()[:16]
    return f"<email-{email.pk}.{token}@{parseaddr(sender)[1].rpartition('@')[2]}>"


def _attach(made: EmailMessage, document: InvoiceDocument) -> None:
    name = f"{document.invoice.number}.pdf"
    made.add_attachment(document.pdf, maintype="application", subtype="pdf", filename=name)
