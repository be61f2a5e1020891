"""The delivery of invoices."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import models.billing.delivery
from models.billing.delivery import DeliveryChannel, DeliveryState
from models.billing.platform_status import PlatformStatusCode
from resolvers.billing import deliveries as delivery_resolvers
from schema.billing.money import Money
from schema.fields import edge, field, viewer_field
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors

if TYPE_CHECKING:
    from schema.billing.invoices import Invoice

_REASON_CODE = (
    "The code of the reason (AFNOR XP Z12-012), such as `TX_TVA_ERR`. Null when there is none."
)
_REASON = "The reason in the words of whoever set the status. Null when there is none."


@strawberry.type(
    description="A status of an invoice, set by a platform or the buyer or reported by the vendor."
)
@backed_by(models.billing.delivery.PlatformStatus)
class PlatformStatus(Node):
    status: PlatformStatusCode = field("The status.")
    number: int = field(
        "The number of the status as platforms exchange it.",
        delivery_resolvers.status_number,
        needs=("status",),
    )
    at: datetime = field("When it was set.")
    reason_code: str | None = field(_REASON_CODE)
    reason: str | None = field(_REASON)


@strawberry.type(
    description="The report of a payment of an invoice to the invoicing platform (status 212)."
)
@backed_by(models.billing.delivery.CollectionReport)
class CollectionReport(Node):
    amount: Money = field(
        ("The amount of the payment, negative when it was reversed."), needs=("amount_cents",)
    )
    collected_at: datetime = field("When the payment was received or reversed.")
    state: DeliveryState = field("Whether it was reported.")
    error: str | None = field("Why the last attempt failed. Null when it didn't.")


@strawberry.type(
    description="The delivery of an invoice: by email, or through the invoicing platform."
)
@backed_by(models.billing.delivery.InvoiceDelivery)
class InvoiceDelivery(Node):
    channel: DeliveryChannel = field("How the invoice is delivered.")
    state: DeliveryState = field("Whether it was handed over.")
    sent_at: datetime | None = field("When it was handed over. Null until then.")
    status: PlatformStatusCode | None = field(
        "The current status at the platforms, which payments don't change. Null before the first, "
        "and for invoices that are delivered by email.",
    )
    status_at: datetime | None = field("When the current status was set. Null when there is none.")
    reason_code: str | None = field(_REASON_CODE)
    reason: str | None = field(_REASON)
    error: str | None = viewer_field(
        delivery_resolvers.errors_of,
        needs=("error",),
        description="Why the last attempt to hand it over failed. Null when it didn't, and for "
        "customers.",
    )
    statuses: list[PlatformStatus] = edge(
        delivery_resolvers.statuses_of, description="All statuses, earliest first."
    )
    collection_reports: list[CollectionReport] = edge(
        delivery_resolvers.reports_of,
        description="The reports of payments to the platform. Empty for customers.",
    )
    invoice: Annotated["Invoice", strawberry.lazy("schema.billing.invoices")] | None = edge(
        delivery_resolvers.invoice_of,
        needs=("invoice_id",),
        description="The invoice. Null for operators, who don't see invoices.",
    )
    invoice_number: str = edge(
        delivery_resolvers.invoice_numbers,
        needs=("invoice_id",),
        description="The number of the invoice.",
    )


@strawberry.type(description="The result of `invoiceDeliveryRetry`.")
class InvoiceDeliveryPayload:
    invoice_delivery: InvoiceDelivery | None = field(
        "The delivery, which is retried within seconds."
    )
    user_errors: list[UserError] = errors()
