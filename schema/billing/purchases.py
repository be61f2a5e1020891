"""Purchases."""

from datetime import date, datetime

import strawberry

import models.billing.purchase
from models.billing.purchase import PurchaseStatus
from resolvers.billing import invoices as invoice_resolvers
from resolvers.billing import payments as payment_resolvers
from resolvers.billing import purchases as purchase_resolvers
from schema.billing.invoices import Invoice
from schema.billing.offers import Price
from schema.billing.payments import Payment
from schema.fields import edge, field
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors


@strawberry.type(description="Days for which a purchase is billed: from `start` up to, not including, `end`.")
class Period:
    index: int = field("0 for the first.")
    start: date = field("The first day, when it is billed.")
    end: date = field("The first day of the next period.")


@strawberry.type(description="A bought offer, which renews on its anniversary.")
@backed_by(models.billing.purchase.Purchase)
class Purchase(Node):
    status: PurchaseStatus = field("Where it stands.")
    price: Price = edge(
        purchase_resolvers.price_of,
        needs=("price_id",),
        description="The price version it was made with; later prices don't touch it.",
    )
    street: str | None = field("Billing address: number and street.")
    postal_code: str | None = field("Billing address: postal code.")
    city: str | None = field("Billing address: town.")
    country: str | None = field("Billing address: country, two letters.")
    order_number: str | None = field("The buyer's own order number.")
    anchor: date | None = field("The anniversary from which all periods are counted, null before activation.")
    created_at: datetime = field("When it was drafted.")
    activated_at: datetime | None = field("When it was paid and became active.")
    periods: list[Period] = edge(
        purchase_resolvers.upcoming,
        needs=("anchor", "price_id"),
        description="The running period and the next two; none before activation.",
    )
    payments: list[Payment] = edge(payment_resolvers.payments, description="The attempts to pay it, the first one first.")
    invoices: list[Invoice] = edge(invoice_resolvers.invoices_of, description="Its invoices, in the order of their periods.")


@strawberry.type(description="A purchase and how far it is.")
class PurchasePayload:
    purchase: Purchase | None = field("The purchase.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="A purchase and the attempt to pay it.")
class PaymentPayload:
    purchase: Purchase | None = field("The purchase as it stands.")
    payment: Payment | None = field("The attempt, a declined one included.")
    user_errors: list[UserError] = errors()
