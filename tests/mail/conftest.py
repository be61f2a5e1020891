"""The people emails are written to, and an invoice to enclose."""

from datetime import UTC, date, datetime

import pytest

from models.accounts.account import Account
from models.action import Action
from models.billing.invoice import Invoice, InvoiceDocument
from models.billing.offer import Interval, Offer, Price, Segment
from models.billing.payment import Payment, PaymentStatus
from models.billing.purchase import Purchase
from models.identity.user import User
from models.locale import Locale

PDF = b"%PDF-1.7\r\n\x00\xff.\n.\r\nFrom here\n%%EOF"


@pytest.fixture
async def zoe(db: str, action: Action) -> User:
    """Reads French, her address verified."""
    return await _person(action, "zoe@example.fr", "Zoé Lefèvre", Locale.FR)


@pytest.fixture
async def john(db: str, action: Action) -> User:
    """Reads English, his address verified."""
    return await _person(action, "john@example.com", "John Smith", Locale.EN)


async def _person(action: Action, email: str, name: str, locale: Locale) -> User:
    return await User.create(
        email=email, name=name, locale=locale, password_hash="-", email_verified_at=action.at, created_at=action.at
    )


@pytest.fixture
async def invoice(db: str, action: Action, zoe: User) -> Invoice:
    """Invoice FA-2026-000042 of 1 November 2026, 1,234.50 EUR net, with its document."""
    account = await Account.create(legal_name="Lefèvre SARL", siren="404833048", created_at=action.at)
    offer = await Offer.create(slug="essentiel", segment=Segment.TPE, texts={})
    price = await Price.create(offer=offer, interval=Interval.MONTH, net_cents=123450, vat_rate=2000, valid_from=action.at)
    purchase = await Purchase.create(account=account, buyer=zoe, price=price, created_at=action.at)
    payment = await Payment.create(
        account=account,
        purchase=purchase,
        status=PaymentStatus.SUCCEEDED,
        amount_cents=148140,
        method="card",
        created_at=action.at,
    )
    issued = await Invoice.create(
        position=42, number="FA-2026-000042", account=account, purchase=purchase, payment=payment, offer=offer, period_index=0,
        issued_at=datetime(2026, 11, 1, 9, tzinfo=UTC), issued_on=date(2026, 11, 1), due_on=date(2026, 11, 1),
        net_cents=123450, vat_cents=24690, gross_cents=148140, facts={}, sha256="0" * 64,
    )  # fmt: skip
    await InvoiceDocument.create(invoice=issued, pdf=PDF)
    return issued
