"""Invoices and their downloads."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any

import strawberry
from tortoise.queryset import QuerySet

from billing.document_requests import download_link
from engine import Deferred
from models.accounts.account import Account
from models.billing.invoice import (
    Invoice,
    InvoiceDocument,
    InvoiceLine,
    canonical_invoice_number,
)
from models.billing.purchase import Purchase
from models.database.reading import read
from models.identity.user import Staff
from models.privacy.buyer_erasure import InvoiceTombstone
from resolvers.billing.filters import InvoiceFilter, InvoiceOrder
from resolvers.billing.kept_invoices import recorded
from resolvers.context import Context, Info
from resolvers.filters import (
    DateFilter,
    accepted_values,
    check_value_count,
    filter_in,
    filter_range,
    order_or_default,
)
from resolvers.paging import (
    AfterArgument,
    BeforeArgument,
    FirstArgument,
    LastArgument,
    Order,
    PageRequest,
    page,
    pages_of,
)
from resolvers.rows import RowByForeignKey, RowByKey, RowsByParent

NEWEST_FIRST = Order("issued_at", descending=True)
_ONE_DAY = timedelta(days=1)


def invoices(
    info: Info,
    filter: Annotated[
        InvoiceFilter | None,
        strawberry.argument(description="Conditions on the invoices to return."),
    ] = None,
    order_by: Annotated[
        InvoiceOrder | None,
        strawberry.argument(
            description="The order of the list. Defaults to most recently issued first."
        ),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> Deferred:
    """The invoices that the viewer may see."""
    viewer, conditions = info.context.viewer, filter or InvoiceFilter()
    rows = Invoice.visible_to(viewer)
    if (numbers := accepted_values(conditions.number)) is not None:
        canonical_numbers = [
            canonical_invoice_number(number) for number in check_value_count(numbers)
        ]
        rows = filter_in(
            rows, "number", [each for each in dict.fromkeys(canonical_numbers) if each]
        )
    rows = filter_range(rows, "issued_on", conditions.issued_on)
    rows = _near_days(rows, conditions.issued_on)
    request = PageRequest(first, after, last, before)
    return recorded(
        info.context, page(rows, order_or_default(order_by, NEWEST_FIRST), request, viewer)
    )


def _near_days(rows: QuerySet[Invoice], days: DateFilter | None) -> QuerySet[Invoice]:
    """The rows issued at a time that may be on one of the days: the index of the default order
    begins there, instead of with the newest invoice.
    """
    if days and days.gte and days.gte.year > 1:
        rows = rows.filter(issued_at__gte=datetime.combine(days.gte, time(), UTC) - _ONE_DAY)
    if days and days.lt and days.lt.year < 9999:
        rows = rows.filter(issued_at__lt=datetime.combine(days.lt, time(), UTC) + _ONE_DAY)
    return rows


def invoice(
    info: Info,
    number: Annotated[
        str, strawberry.argument(description="The number of the invoice, such as FA-2026-000042.")
    ],
) -> Deferred | None:
    """The invoice of this number, None when there is none that the viewer may see."""
    canonical_number = canonical_invoice_number(number)
    if not canonical_number:
        return None
    row = RowByKey(Invoice.visible_to(info.context.viewer), "number", canonical_number)
    return recorded(info.context, row)


def invoices_of(context: Context, parents: Sequence[Purchase]) -> Deferred:
    """The invoices of each purchase that the viewer may see, in the order of issue."""
    return recorded(
        context,
        RowsByParent(parents, Invoice.visible_to(context.viewer), "purchase_id", "issued_at", "id"),
    )


async def document_hashes(context: Context, parents: Sequence[Invoice]) -> list[str | None]:
    """The SHA-256 of each invoice's PDF, None until it is made."""
    keys = [parent.pk for parent in parents]
    documents = await read(
        QuerySet(InvoiceDocument), ("invoice_id", "sha256"), where_in=("invoice_id", keys)
    )
    hashes = {document.invoice_id: document.sha256 for document in documents}
    return [hashes.get(key) for key in keys]


async def buyers_erased_at(context: Context, parents: Sequence[Invoice]) -> list[datetime | None]:
    """When the buyer was removed from each invoice, None until then."""
    keys = [parent.pk for parent in parents]
    tombstones = await read(
        QuerySet(InvoiceTombstone), ("invoice_id", "erased_at"), where_in=("invoice_id", keys)
    )
    times = {tombstone.invoice_id: tombstone.erased_at for tombstone in tombstones}
    return [times.get(key) for key in keys]


def lines(context: Context, parents: Sequence[Invoice]) -> RowsByParent:
    """The lines of each invoice, in order."""
    return RowsByParent(parents, QuerySet(InvoiceLine), "invoice_id", "position")


async def line_descriptions(context: Context, parents: Sequence[InvoiceLine]) -> list[str]:
    """The details of each line, from the content of its invoice."""
    keys = {parent.invoice_id for parent in parents}
    invoices = await read(QuerySet(Invoice), ("id", "facts"), where_in=("id", keys))
    lines_of = {invoice.pk: invoice.facts.get("lines", ()) for invoice in invoices}
    return [
        str(printed[parent.position - 1].get("description", ""))
        if len(printed := lines_of.get(parent.invoice_id, ())) >= parent.position
        else ""
        for parent in parents
    ]


def account_invoices(
    context: Context, parents: Sequence[Account], page_request: PageRequest
) -> Deferred:
    """One page of each company's invoices."""
    pages = pages_of(parents, Invoice, "account_id", NEWEST_FIRST, page_request, context.viewer)
    return recorded(context, pages)


def download_url(root: Invoice, info: Info) -> str:
    """A link to the PDF, valid for five minutes."""
    services, viewer = info.context.services, info.context.viewer
    reader_id = viewer.user_id if viewer.staff is Staff.OPERATOR else None
    return download_link(
        services.auth.signer, services.base_url, root, services.clock.now(), reader_id
    )


def invoice_of_event(context: Context, parents: Sequence[Any]) -> Deferred:
    """The invoice of each event, if the viewer may see it."""
    return recorded(
        context, RowByForeignKey(parents, "invoice_id", Invoice.visible_to(context.viewer))
    )
