"""Recipients, an invoice, and messages as a mail program reads them."""

from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from hashlib import sha256

import pytest

from mail.message import Sender, message
from models.action import Action
from models.billing.invoice import Invoice, InvoiceDocument
from models.billing.offer import Interval, Offer, Price, Segment
from models.billing.purchase import Purchase
from models.identity.user import User
from models.locale import Locale
from models.operations.email import Email
from tests.invoices import create_invoice
from tests.people import create_account, create_user

SITE = "https://camcha.example"
SENDER = Sender("CAMCHA <bonjour@camcha.example>", SITE)
PDF = b"%PDF-1.7\r\n\x00\xff.\n.\r\nFrom here\n%%EOF"


def parse(message: EmailMessage) -> EmailMessage:
    """The message as a mail program reads it from its bytes."""
    parsed_message = message_from_bytes(message.as_bytes(), policy=policy.default)
    assert isinstance(parsed_message, EmailMessage)
    assert not [defect for part in parsed_message.walk() for defect in part.defects]
    return parsed_message


def body(message: EmailMessage, kind: str) -> str:
    """The `plain` or `html` part."""
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def text_of(email: Email) -> str:
    """The text of an email as its recipient reads it."""
    return body(parse(message(email, SENDER)), "plain")


def html_of(email: Email) -> str:
    """The HTML of an email as its recipient's mail program gets it."""
    return body(parse(message(email, SENDER)), "html")


@pytest.fixture
async def zoe(db: str, action: Action) -> User:
    """A French-speaking user with a verified address."""
    return await _create_user(action, "zoe@example.fr", "Zoé Lefèvre", Locale.FR)


@pytest.fixture
async def john(db: str, action: Action) -> User:
    """An English-speaking user with a verified address."""
    return await _create_user(action, "john@example.com", "John Smith", Locale.EN)


async def _create_user(action: Action, email: str, name: str, locale: Locale) -> User:
    return await create_user(action, name, email=email, locale=locale)


@pytest.fixture
async def invoice(db: str, action: Action, zoe: User) -> Invoice:
    """Invoice FA-2026-000042 of 1 November 2026, 1,234.50 EUR net, with its document."""
    account = await create_account(action, "Lefèvre SARL")
    offer = await Offer.create(slug="essentiel", segment=Segment.TPE, texts={})
    price = await Price.create(
        offer=offer, interval=Interval.MONTH, net_cents=123450, vat_rate=2000, valid_from=action.at
    )
    purchase = await Purchase.create(account=account, buyer=zoe, price=price, created_at=action.at)
    invoice = await create_invoice(
        action,
        account,
        purchase,
        42,
        issued_at=datetime(2026, 11, 1, 9, tzinfo=UTC),
        issued_on=date(2026, 11, 1),
        due_on=date(2026, 11, 1),
        net_cents=123450,
        vat_cents=24690,
        gross_cents=148140,
    )
    await InvoiceDocument.create(
        invoice=invoice, pdf=PDF, sha256=sha256(PDF).hexdigest(), created_at=action.at
    )
    return invoice
