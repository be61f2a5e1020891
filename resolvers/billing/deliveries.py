"""The delivery of invoices."""

from collections.abc import Sequence
from typing import Annotated

import strawberry
from tortoise.expressions import Subquery
from tortoise.queryset import QuerySet

from billing.delivery import sending
from engine import Deferred
from models.billing.delivery import CollectionReport, InvoiceDelivery, PlatformStatus
from models.billing.invoice import Invoice
from models.database.reading import read
from models.identity.user import Staff
from resolvers.billing.delivery_inputs import (
    InvoiceDeliveryFilter,
    InvoiceDeliveryOrder,
    InvoiceDeliveryRetryInput,
)
from resolvers.billing.kept_invoices import recorded
from resolvers.context import Context, Info
from resolvers.filters import accepted_values, filter_in, order_or_default
from resolvers.ids import load_visible
from resolvers.paging import (
    AfterArgument,
    BeforeArgument,
    DeferredPage,
    FirstArgument,
    LastArgument,
    Order,
    PageRequest,
    page,
)
from resolvers.rows import FirstRowByParent, RowByForeignKey, RowsByParent

NEWEST_FIRST = Order("id", descending=True)


def invoice_deliveries(
    info: Info,
    filter: Annotated[
        InvoiceDeliveryFilter | None,
        strawberry.argument(description="Conditions on the deliveries to return."),
    ] = None,
    order_by: Annotated[
        InvoiceDeliveryOrder | None,
        strawberry.argument(description="The order of the list. Defaults to most recent first."),
    ] = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The deliveries that the viewer may see, most recent first."""
    viewer, conditions = info.context.viewer, filter or InvoiceDeliveryFilter()
    rows = InvoiceDelivery.visible_to(viewer)
    rows = filter_in(rows, "state", accepted_values(conditions.state))
    rows = filter_in(rows, "status", accepted_values(conditions.status))
    if (states := accepted_values(conditions.report_state)) is not None:
        reports = CollectionReport.filter(state__in=states)
        rows = rows.filter(id__in=Subquery(reports.values("delivery_id")))
    return page(
        rows,
        order_or_default(order_by, NEWEST_FIRST),
        PageRequest(first, after, last, before),
        viewer,
    )


async def retry(info: Info, input: InvoiceDeliveryRetryInput) -> InvoiceDelivery:
    """Hand an invoice over again."""
    delivery = await load_visible(
        InvoiceDelivery, input.invoice_delivery_id, info.context.viewer, "invoiceDeliveryId"
    )
    return await sending.retry_delivery(info.context.action(), delivery)


def delivery_of(context: Context, parents: Sequence[Invoice]) -> FirstRowByParent:
    """The delivery of each invoice."""
    rows = InvoiceDelivery.visible_to(context.viewer)
    return FirstRowByParent(parents, rows, "invoice_id", "id")


def invoice_of(context: Context, parents: Sequence[InvoiceDelivery]) -> Deferred:
    """The invoice of each delivery, for those who may see it."""
    return recorded(
        context, RowByForeignKey(parents, "invoice_id", Invoice.visible_to(context.viewer))
    )


async def invoice_numbers(context: Context, parents: Sequence[InvoiceDelivery]) -> list[str]:
    """The number of each delivery's invoice, which operators see as well."""
    keys = [parent.invoice_id for parent in parents]
    rows = await read(QuerySet(Invoice), ("id", "number"), where_in=("id", keys))
    numbers = {row.pk: row.number for row in rows}
    return [numbers[key] for key in keys]


def statuses_of(context: Context, parents: Sequence[InvoiceDelivery]) -> RowsByParent:
    """The statuses of each delivery, in the order in which they were set."""
    rows = PlatformStatus.visible_to(context.viewer)
    return RowsByParent(parents, rows, "delivery_id", "at", "id")


def reports_of(context: Context, parents: Sequence[InvoiceDelivery]) -> RowsByParent:
    """The reports of payments of each delivery, for the staff."""
    rows = CollectionReport.visible_to(context.viewer)
    return RowsByParent(parents, rows, "delivery_id", "allocation_id")


def errors_of(context: Context, parents: Sequence[InvoiceDelivery]) -> list[str | None]:
    """Why the last attempt failed, for the staff."""
    viewer = context.viewer
    is_staff = viewer.is_agent or viewer.staff is Staff.OPERATOR
    return [parent.error if is_staff else None for parent in parents]


def status_number(root: PlatformStatus) -> int:
    """The number of a status."""
    return root.status.number
