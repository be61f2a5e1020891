"""Payments."""

from datetime import datetime

import strawberry

import models.billing.payment
from models.billing.payment import PaymentStatus
from resolvers.billing import credit_notes as credit_resolvers
from schema.billing.money import Money
from schema.billing.refunds import Refund
from schema.fields import edge, field
from schema.nodes import Node, backed_by


@strawberry.type(description="A payment of a purchase.")
@backed_by(models.billing.payment.Payment)
class Payment(Node):
    status: PaymentStatus = field("The current status.")
    amount: Money = field("The amount charged, including VAT.", needs=("amount_cents",))
    brand: str | None = field("The brand of the card, or `paypal`.")
    last_four: str | None = field(
        "The last four digits of the card. The API never receives the full number."
    )
    confirmation_url: str | None = field(
        "The URL where the customer confirms the payment with their bank or with PayPal. Null "
        "unless the status is REQUIRES_ACTION."
    )
    decline_code: str | None = field(
        "The payment provider's reason for the decline. Null unless the payment was declined."
    )
    created_at: datetime = field("When the payment was started.")
    settled_at: datetime | None = field(
        "When the payment succeeded or was declined. Null until then."
    )
    refunds: list[Refund] = edge(
        credit_resolvers.refunds_of_payment,
        description="The refunds of the payment, in the order in which they were decided.",
    )
