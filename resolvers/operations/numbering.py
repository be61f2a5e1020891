"""Verifying the numbers of invoices."""

from types import SimpleNamespace

from models.billing.invoice import Invoice
from operations.invoice_numbering import numbering_errors
from resolvers.context import Info


async def invoice_numbering(info: Info) -> SimpleNamespace:
    """The number of invoices, and what is wrong with their numbers."""
    return SimpleNamespace(issued=await Invoice.all().count(), faults=await numbering_errors())
