"""Invoices and their downloads."""

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry
from tortoise.queryset import QuerySet

from billing import checkout
from engine import Deferred
from models.accounts.account import Account
from models.billing.invoice import Invoice, InvoiceLine
from models.billing.purchase import Purchase
from models.text import can_be_stored
from resolvers.billing.filters import InvoiceFilter, InvoiceOrder
from resolvers.context import Context, Info
from resolvers.filters import among, between, few, ordered, wanted
from resolvers.paging import After, Before, First, Last, OnePage, Order, Window, page, pages_of
from resolvers.rows import ByKey, ByParent, One

NEWEST_INVOICE = Order("issued_at", descending=True)


def invoices(
    info: Info,
    filter: Annotated[
        InvoiceFilter | None,
        strawberry.argument(description="Conditions on the invoices to return."),
    ] = None,
    order_by: Annotated[
        InvoiceOrder | None,
        strawberry.argument(
            description="The order of the list, most recently issued first when omitted."
        ),
    ] = None,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
) -> OnePage:
    """The invoices that the viewer may see."""
    viewer, given = info.context.viewer, filter or InvoiceFilter()
    numbers = few([each for each in wanted(given.number) or [] if can_be_stored(each, 35)])
    rows = Invoice.visible_to(viewer)
    rows = rows if wanted(given.number) is None else among(rows, "number", numbers)
    rows = between(rows, "issued_on", given.issued_on)
    return page(rows, ordered(order_by, NEWEST_INVOICE), Window(first, after, last, before), viewer)


def invoice(
    info: Info,
    number: Annotated[
        str, strawberry.argument(description="The number of the invoice, such as FA-2026-000042.")
    ],
) -> One | None:
    """The invoice of this number, None when there is none that the viewer may see."""
    return (
        One(Invoice.visible_to(info.context.viewer), "number", number)
        if can_be_stored(number, 35)
        else None
    )


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
    return checkout.download_link(
        services.auth.signer, services.base_url, root, services.clock.now()
    )


def invoice_of_event(context: Context, parents: Sequence[Any]) -> ByKey:
    """The invoice of each event, if the viewer may see it."""
    return ByKey(parents, "invoice_id", Invoice.visible_to(context.viewer))
