"""Turns a stored email into a message (RFC 5322, MIME), with the addresses of our pages filled in.

A stored email says `camcha:/reset?token=...` where its reader gets a link to our site. The base URL
is filled in when the message is made: the code that writes emails doesn't need to know it, and an
email that waits while the site moves links to the new site.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8, Policy
from email.utils import format_datetime
from hashlib import sha256
from html import escape

from mail.customer_space import TICKETS, CustomerSpace
from mail.reply_address import ReplyAddresses
from models.billing.invoice import InvoiceDocument
from models.identity.email_address import smtp_address
from models.operations.email import STAFF_WELCOME, Email

BASE_URL = "camcha:"  # stands for the base URL in stored emails, always with a path after it
PRIVACY_POLICY = f"{BASE_URL}/policies/privacy"
WITHDRAWAL_PATH = "consents/withdraw"  # of the page where a recipient withdraws a consent
_LINK = re.compile(re.escape(BASE_URL) + r"/(?P<path>[\w./~-]*)(?P<query>\?[\w=.~-]+)?")
_METHOD = re.compile(r"^METHOD:(\w+)\r?$", re.M)  # of a calendar file
_EARLIER_PRIVACY_POLICY = "camcha:privacy-policy"  # in emails that an earlier version stored


@dataclass(frozen=True)
class Sender:
    """The values that all messages share: the mailbox they come from, such as `CAMCHA
    <bonjour@camcha.example>`, the base URL of our own pages, without a slash at its end, the
    customer space, and the addresses for answers, None when no emails are received.
    """

    mailbox: str
    base_url: str
    customer_space: CustomerSpace = field(default_factory=CustomerSpace)
    reply_addresses: ReplyAddresses | None = None


class _UnencodedHeader(UnstructuredHeader, BaseHeader):
    """A header of Message-IDs or addresses of pages, one on each line. Python would encode those
    that are longer than a line (RFC 2047), and no mail program would recognize them.
    """

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {f'{policy.linesep} '.join(str(self).split())}{policy.linesep}"


_HEADERS = HeaderRegistry()
for _name in ("in-reply-to", "references", "list-unsubscribe"):
    _HEADERS.map_to_type(_name, _UnencodedHeader)


def message(email: Email, sender: Sender, document: InvoiceDocument | None = None) -> EmailMessage:
    """The message for an email, as text and HTML, with its calendar file. The PDF of an invoice is
    attached under the invoice's number; the document's `invoice` must be fetched.

    Raises ValueError when the recipient is not a single plain address.
    """
    recipient, mailbox = smtp_address(email.recipient), _smtp_mailbox(sender.mailbox)
    needs_utf8 = not (recipient + parse_mailbox(mailbox)[1]).isascii()
    policy = SMTPUTF8 if needs_utf8 else SMTP
    result = EmailMessage(policy=policy.clone(header_factory=_HEADERS))
    result["From"] = mailbox
    _set_recipient(result, recipient)
    result["Subject"] = email.subject
    result["Date"] = format_datetime(email.created_at)
    result["Message-ID"] = message_id(email, mailbox)
    _set_thread(result, email, sender, mailbox)
    if email.withdrawal_token:  # RFC 8058: mail programs show a button that withdraws at once
        url = f"{sender.base_url}/{WITHDRAWAL_PATH}?token={email.withdrawal_token}"
        result["List-Unsubscribe"] = f"<{url}>"
        result["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    result["Auto-Submitted"] = (
        "auto-generated"  # RFC 3834: asks mailboxes not to send absence notes
    )
    # Exchange doesn't read the other header. Reports of failed deliveries are wanted.
    result["X-Auto-Response-Suppress"] = "DR, RN, NRN, OOF, AutoReply"
    space = CustomerSpace() if _is_for_staff(email) else sender.customer_space
    text = _with_links(email.text, sender.base_url, space, lambda url: url)
    result.set_content(text, cte="quoted-printable")
    html = _with_links(email.html, sender.base_url, space, escape)
    result.add_alternative(html, subtype="html", cte="quoted-printable")
    if document:
        _attach(result, document)
    if email.calendar:
        _attach_calendar(result, email.calendar)
    language = email.template.rpartition(".")[2]
    result["Content-Language"] = (
        language  # last, because adding a part moves Content- headers into that part
    )
    return result


def parse_mailbox(mailbox: str) -> tuple[str, str]:
    """The name and the address of a mailbox. The name may contain commas and `@` without quotes, as
    in `Care Team, Billing <care@camcha.example>`.
    """
    name, _, address = mailbox.rpartition("<")
    return name.strip().removeprefix('"').removesuffix('"'), address.strip().removesuffix(">")


def _smtp_mailbox(mailbox: str) -> str:
    name, address = parse_mailbox(mailbox)
    return str(Address(name, addr_spec=smtp_address(address)))


def _set_recipient(result: EmailMessage, recipient: str) -> None:
    result["To"] = recipient
    if [address.addr_spec for address in result["To"].addresses] != [recipient]:
        raise ValueError("the recipient is not a single plain address")


def _set_thread(result: EmailMessage, email: Email, sender: Sender, mailbox: str) -> None:
    """State which emails this one continues (RFC 5322, 3.6.4), and where to answer."""
    if thread := [_full_id(each, mailbox) for each in (email.thread or "").split()]:
        result["In-Reply-To"] = thread[-1]
        result["References"] = " ".join(thread)
    if email.ticket_id and sender.reply_addresses:
        result["Reply-To"] = sender.reply_addresses.for_ticket(email.ticket_id)


def _full_id(message_id: str, mailbox: str) -> str:
    return f"<{message_id}>" if "@" in message_id else f"<{message_id}@{_domain(mailbox)}>"


def _domain(mailbox: str) -> str:
    return parse_mailbox(mailbox)[1].rpartition("@")[2]


def message_id(email: Email, mailbox: str) -> str:
    """The Message-ID, such as `<email-5f0c...@domain>`: the same at every attempt, so that
    mailboxes recognize a message that is delivered twice.
    """
    if email.message_key:
        return _full_id(email.message_key, mailbox)
    # One that an earlier version stored.
    created_at = email.created_at.astimezone(UTC).isoformat()
    digest = sha256(f"{email.pk} {created_at} {email.text}".encode()).hexdigest()[:16]
    return f"<email-{email.pk}.{digest}@{_domain(mailbox)}>"


def _is_for_staff(email: Email) -> bool:
    return email.template.partition(".")[0] == STAFF_WELCOME


def _with_links(
    content: str, base_url: str, space: CustomerSpace, write: Callable[[str], str]
) -> str:
    def replace(match: re.Match[str]) -> str:
        path, query = match["path"], match["query"] or ""
        if path.startswith(TICKETS) and not space.url:  # we have no page for a ticket
            path = ""
        return write(space.link(path, query[1:]) or f"{base_url}/{path}{query}")

    return _LINK.sub(replace, content.replace(_EARLIER_PRIVACY_POLICY, PRIVACY_POLICY))


def _attach(result: EmailMessage, document: InvoiceDocument) -> None:
    name = f"{document.invoice.number}.pdf"
    result.add_attachment(document.pdf, maintype="application", subtype="pdf", filename=name)


def _attach_calendar(result: EmailMessage, calendar: str) -> None:
    """Attach a calendar file. Mail programs act on it by the method in its type (RFC 6047)."""
    method = _METHOD.search(calendar)
    result.add_attachment(
        calendar,
        subtype="calendar",
        filename="webinar.ics",
        cte="base64",
        params={"method": method[1] if method else "PUBLISH"},
    )
