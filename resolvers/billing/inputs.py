"""Inputs of the billing mutations."""

import strawberry

from models.locale import Locale
from resolvers.addresses import PostalAddressInput
from resolvers.arguments import IDEMPOTENCY_KEY


@strawberry.input(description="The price at which to buy the offer.")
class PurchaseDraftInput:
    price_id: strawberry.ID = strawberry.field(
        description="The ID of a price on sale (`Offer.prices`)."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The billing details of a purchase.")
class PurchaseConfirmBillingInput:
    purchase_id: strawberry.ID = strawberry.field(
        description="The ID of a purchase that isn't paid yet."
    )
    billing_address: PostalAddressInput = strawberry.field(
        description="The address on the invoices of this purchase."
    )
    order_number: str | None = strawberry.field(
        default=None, description="The buyer's order number, which is printed on the invoice."
    )


@strawberry.input(description="The purchase to pay for and how to pay.")
class PurchasePayInput:
    purchase_id: strawberry.ID = strawberry.field(
        description="The ID of a purchase whose billing details are confirmed."
    )
    payment_method: str = strawberry.field(
        description="The payment provider's token for a payment method, never a card number. In "
        "the sandbox: `pm_sandbox_success`, `pm_sandbox_declined` or `pm_sandbox_confirmation`."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The payment to query.")
class PaymentRefreshInput:
    payment_id: strawberry.ID = strawberry.field(
        description="The ID of a payment that is still in progress."
    )


@strawberry.input(description="The recipient to add.")
class InvoiceRecipientAddInput:
    email: str = strawberry.field(
        description="An email address outside the company, such as its accountant's. It receives "
        "invoices once its owner has followed the confirmation link."
    )
    locale: Locale | None = strawberry.field(
        default=None,
        description="The language of the emails. Defaults to the language of the request.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The recipient to remove.")
class InvoiceRecipientRemoveInput:
    recipient_id: strawberry.ID = strawberry.field(
        description="The ID of a recipient (`Account.invoiceRecipients`) who hasn't declined."
    )
