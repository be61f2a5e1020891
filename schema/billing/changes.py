"""Changes of active purchases."""

from datetime import date, datetime

import strawberry

import models.billing.purchase_change
from models.billing.purchase_change import PurchaseChangeKind, PurchaseChangeStatus
from resolvers.billing import changes as change_resolvers
from resolvers.billing import purchases as purchase_resolvers
from schema.billing.invoices import Invoice
from schema.billing.offers import Price
from schema.billing.payments import Payment
from schema.fields import edge, field
from schema.nodes import Node, backed_by


@strawberry.type(description="A change of a purchase that is active.")
@backed_by(models.billing.purchase_change.PurchaseChange)
class PurchaseChange(Node):
    kind: PurchaseChangeKind = field("The kind of the change.")
    status: PurchaseChangeStatus = field(
        "The current status.", needs=("is_immediate", "applied_at", "canceled_at")
    )
    is_immediate: bool = field(
        "Whether the change takes effect once it is paid. Otherwise, it takes effect on "
        "`effectiveOn`, at the end of the paid period."
    )
    effective_on: date = field("The day from which the change counts.")
    price: Price | None = edge(
        purchase_resolvers.price_of,
        needs=("price_id",),
        description="The price with the change. Null for a pause.",
    )
    quantity: int | None = field("The quantity with the change. Null for a pause.")
    former_price: Price | None = edge(
        change_resolvers.former_price_of,
        needs=("former_price_id",),
        description="The price when the change was ordered.",
    )
    former_quantity: int | None = field("The quantity when the change was ordered.")
    anchor: date | None = field("The new anchor. Null unless the billing day changes.")
    resumes_on: date | None = field("The day on which a pause ends. Null when none was chosen.")
    created_at: datetime = field("When the change was ordered.")
    applied_at: datetime | None = field("When the change took effect. Null until then.")
    canceled_at: datetime | None = field("When the change was canceled. Null unless it was.")
    invoice: Invoice | None = edge(
        change_resolvers.invoice_of,
        needs=("invoice_id",),
        description="The invoice of a change that took effect at once. Null for any other.",
    )
    payments: list[Payment] = edge(
        change_resolvers.payments_of,
        description="The payments of a change that takes effect at once, oldest first.",
    )
