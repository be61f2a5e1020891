"""Verifying the numbers of invoices."""

from types import SimpleNamespace

from models.billing.invoice import Invoice
from models.database.workload import Workload, workload
from operations.invoice_numbering import numbering_errors
from resolvers.context import Info


async def invoice_numbering(info: Info) -> SimpleNamespace:
    """The number of invoices, and the errors in their numbers."""
    with workload(Workload.REPORTS):
        count = await Invoice.all().count()
    return SimpleNamespace(issued_count=count, errors=await numbering_errors())
