"""Payments."""

from datetime import datetime

import strawberry

import models.billing.payment
from models.billing.payment import PaymentStatus
from schema.billing.money import Money
from schema.fields import field
from schema.nodes import Node, backed_by


@strawberry.type(description="An attempt to pay a purchase.")
@backed_by(models.billing.payment.Payment)
class Payment(Node):
    status: PaymentStatus = field("Where it stands.")
    amount: Money = field("Gross, as charged.", needs=("amount_cents",))
    brand: str | None = field("The card's brand.")
    last_four: str | None = field("The card's last four digits; no more of it is ever known here.")
    confirmation_url: str | None = field("The bank's page, while it wants the customer's confirmation.")
    decline_code: str | None = field("Why it was declined, in the provider's word.")
    created_at: datetime = field("When it began.")
    settled_at: datetime | None = field("When it succeeded or was declined.")
