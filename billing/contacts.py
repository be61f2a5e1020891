"""For whom invoices are written."""

from typing import NamedTuple

from tortoise.backends.base.client import BaseDBAsyncClient

from models.billing.purchase import Purchase
from models.identity.user import User
from models.locale import Locale


class InvoiceReader(NamedTuple):
    """The address that an invoice names, empty when there is none, and its language."""

    email: str
    locale: Locale


async def reader_of(db: BaseDBAsyncClient | None, purchase: Purchase) -> InvoiceReader:
    """The reader for whom the invoices of a purchase are written: the person who bought it."""
    buyer = await User.get_or_none(pk=purchase.buyer_id, using_db=db)
    return InvoiceReader(buyer.email, buyer.locale) if buyer else InvoiceReader("", Locale.FR)
