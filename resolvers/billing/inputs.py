"""Inputs of the billing mutations."""

import strawberry

_KEY = "Chosen by the client, at most 64 characters: a repeat with the same arguments returns what the first request made."


@strawberry.input(description="What to buy.")
class PurchaseDraftInput:
    price_id: strawberry.ID = strawberry.field(description="A price on sale, from `Offer.prices`.")
    idempotency_key: str = strawberry.field(description=_KEY)


@strawberry.input(description="Whom and where to bill.")
class PurchaseConfirmBillingInput:
    purchase_id: strawberry.ID = strawberry.field(description="A purchase that is not paid yet.")
    street: str = strawberry.field(description="Number and street.")
    postal_code: str = strawberry.field(description="Postal code, at most 12 characters.")
    city: str = strawberry.field(description="Town, at most 100 characters.")
    country: str = strawberry.field(default="FR", description="Country, two letters (ISO 3166-1 alpha-2).")
    order_number: str | None = strawberry.field(
        default=None, description="The buyer's own order number, repeated on the invoice."
    )


@strawberry.input(description="How to pay.")
class PurchasePayInput:
    purchase_id: strawberry.ID = strawberry.field(description="A purchase whose billing details are confirmed.")
    payment_method: str = strawberry.field(
        description="The payment provider's token of a means of payment, never a card number. In the sandbox: "
        "`pm_sandbox_success`, `pm_sandbox_declined` or `pm_sandbox_confirmation`."
    )
    idempotency_key: str = strawberry.field(description=_KEY)


@strawberry.input(description="A payment to look at again.")
class PaymentRefreshInput:
    payment_id: strawberry.ID = strawberry.field(description="A payment that waits for the bank.")
