"""Who gets emails about the billing of an account."""

from typing import NamedTuple

from tortoise.backends.base.client import BaseDBAsyncClient

from models.accounts.account import Membership
from models.action import Transaction
from models.billing.purchase import Purchase
from models.identity.user import User
from models.locale import Locale


async def billing_contacts(tx: Transaction, account_id: int) -> list[User]:
    """The members who manage the billing of an account and have confirmed their address."""
    memberships = (
        Membership.filter(account_id=account_id, user__email_verified_at__isnull=False)
        .using_db(tx.db)
        .select_related("user")
        .order_by("id")
    )
    return [each.user for each in await memberships if each.role.manages_billing]


class InvoiceReader(NamedTuple):
    """The address that an invoice names, empty when there is none, and its language."""

    email: str
    locale: Locale


async def reader_of(db: BaseDBAsyncClient | None, purchase: Purchase) -> InvoiceReader:
    """The reader for whom the invoices of a purchase are written: the person who bought it."""
    buyer = await User.get_or_none(pk=purchase.buyer_id, using_db=db)
    return InvoiceReader(buyer.email, buyer.locale) if buyer else InvoiceReader("", Locale.FR)
