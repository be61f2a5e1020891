"""Payment methods that customers save."""

from datetime import date, datetime

import strawberry

import models.billing.payment_method
from models.billing.payment_method import PaymentKind, PaymentMethodStatus
from schema.fields import field
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors


def _last_four(root: models.billing.payment_method.PaymentMethod) -> str | None:
    return root.last_four or root.iban_last_four


@strawberry.type(
    description="A card, a direct debit mandate or a wallet that a company saved. The payment "
    "provider keeps its number; the API never receives it."
)
@backed_by(models.billing.payment_method.PaymentMethod)
class PaymentMethod(Node):
    kind: PaymentKind = field("The kind of payment method.")
    status: PaymentMethodStatus = field("Whether it can be charged.")
    brand: str | None = field("The brand of the card, such as `visa`. Null for other kinds.")
    last_four: str | None = field(
        "The last four digits of the card or of the IBAN. Null until it is saved.",
        _last_four,
        needs=("last_four", "iban_last_four"),
    )
    expires_on: date | None = field(
        "The last day on which the card can be charged. Null for other kinds."
    )
    mandate_reference: str | None = field(
        "The reference of the direct debit mandate, which bank statements show. Null for other "
        "kinds."
    )
    is_default: bool = field(
        "Whether it is charged for purchases that have no payment method of their own. One active "
        "payment method of a company is."
    )
    decline_code: str | None = field(
        "The payment provider's reason why it couldn't be saved. Null unless it was declined."
    )
    created_at: datetime = field("When it was added.")
    removed_at: datetime | None = field("When it was removed. Null until then.")


@strawberry.type(description="The result of saving a payment method.")
class PaymentMethodSetupPayload:
    payment_method: PaymentMethod | None = field(
        "The payment method, also when it was declined. It can be charged once its status is "
        "ACTIVE."
    )
    confirmation_url: str | None = field(
        "The page of the provider or the bank where the customer continues. Null when there is "
        "none."
    )
    client_secret: str | None = field(
        "The secret with which the provider's script continues in the customer's browser, such as "
        "Stripe's `confirmSetup`. Null when there is none."
    )
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of a change to a payment method.")
class PaymentMethodPayload:
    payment_method: PaymentMethod | None = field("The payment method after the change.")
    user_errors: list[UserError] = errors()
