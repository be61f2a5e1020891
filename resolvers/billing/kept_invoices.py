"""Reading invoices that are kept of erased companies, which is recorded in the audit log."""

from collections.abc import Iterator
from typing import Any

from engine import Deferred, Selection
from models.billing.invoice import Invoice
from models.identity.user import Staff
from privacy.kept_invoices import record_reading
from resolvers.context import Context
from resolvers.paging import Page


class RecordedInvoices(Deferred):
    """Invoices that are recorded as read before they are returned."""

    __slots__ = ("context", "invoices")

    def __init__(self, context: Context, invoices: Deferred) -> None:
        self.context, self.invoices = context, invoices

    async def fetch(self, selection: Selection | None) -> Any:
        found = await self.invoices.fetch(selection)
        keys = {invoice.pk for invoice in _invoices_in(found)}
        await record_reading(self.context.action(), keys)
        return found


def recorded(context: Context, invoices: Deferred) -> Deferred:
    """The invoices that a resolver returns, which are recorded when an operator reads those of an
    erased company. Nobody else sees these. Each resolver whose invoices are those of
    `Invoice.visible_to` uses it.
    """
    is_operator = context.viewer.staff is Staff.OPERATOR
    return RecordedInvoices(context, invoices) if is_operator else invoices


def _invoices_in(found: Any) -> Iterator[Invoice]:
    if isinstance(found, Invoice):
        yield found
    elif isinstance(found, Page):
        yield from _invoices_in(found.nodes)
    elif isinstance(found, list):
        for each in found:
            yield from _invoices_in(each)
