"""Invoices and their downloads."""

from collections.abc import Sequence
from typing import Any

from tortoise.queryset import QuerySet

from billing import checkout
from engine import Deferred
from models.accounts.account import Account
from models.billing.invoice import Invoice, InvoiceLine
from models.billing.purchase import Purchase
from resolvers.context import Context, Info
from resolvers.paging import After, Before, First, Last, OnePage, Order, Window, page, pages_of
from resolvers.rows import ByKey, ByParent

NEWEST_INVOICE = Order("issued_at", descending=True)


def invoices(info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None) -> OnePage:
    """The invoices of the viewer's company, most recent first."""
    viewer = info.context.viewer
    return page(Invoice.visible_to(viewer), NEWEST_INVOICE, Window(first, after, last, before), viewer)


def invoices_of(context: Context, parents: Sequence[Purchase]) -> ByParent:
    """The invoices of each purchase that the viewer may see, in the order of their periods."""
    return ByParent(parents, Invoice.visible_to(context.viewer), "purchase_id", "period_index")


def lines(context: Context, parents: Sequence[Invoice]) -> ByParent:
    """The lines of each invoice, in order."""
    return ByParent(parents, QuerySet(InvoiceLine), "invoice_id", "position")


def account_invoices(context: Context, parents: Sequence[Account], window: Window) -> Deferred:
    """One page of each company's invoices."""
    return pages_of(parents, Invoice, "account_id", NEWEST_INVOICE, window, context.viewer)


def download_url(root: Invoice, info: Info) -> str:
    """A link to the PDF, valid for five minutes."""
    services = info.context.services
    return checkout.download_link(services.auth.signer, services.base_url, root, services.clock.now())


def invoice_of_event(context: Context, parents: Sequence[Any]) -> ByKey:
    """The invoice of each event, if the viewer may see it."""
    return ByKey(parents, "invoice_id", Invoice.visible_to(context.viewer))
