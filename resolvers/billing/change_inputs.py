"""Inputs of the mutations that change active purchases."""

from datetime import date

import strawberry

from resolvers.addresses import PostalAddressInput
from resolvers.arguments import IDEMPOTENCY_KEY
from resolvers.scalars import BigInt

PURCHASE = "The ID of a purchase that is active."
PRICE = (
    "The ID of a price on sale: of another offer, or of another interval. When omitted, the price "
    "stays the same, even if it is no longer on sale."
)
QUANTITY = "The number of units, 1 to 1,000. When omitted, it stays."
ANCHOR = (
    "Another billing day, which can't be combined with a price or a quantity: a day after "
    "`billsOn` and before the end of the period that follows. A short period up to that day is "
    "billed on `billsOn`, and whole periods from then on. Possible once per period."
)
PAYMENT_METHOD = (
    "The payment provider's token for what pays this change instead of the payment method of the "
    "purchase, never a card number. `paypal` pays with PayPal, if the vendor offers it. Null with "
    "`paymentMethodId`, and for a change that isn't charged now."
)
PAYMENT_METHOD_ID = (
    "The ID of the saved payment method that pays this change. When omitted, with "
    "`paymentMethod` null, it is the payment method of the purchase."
)
_RENEW = (
    "Whether `paymentMethodId` also becomes the payment method of the purchase once the change is "
    "paid. Otherwise, the purchase renews as before."
)
_RETURN_URL = (
    "The page to which the bank or PayPal sends the customer back. It must be one that the "
    "operator allows."
)


@strawberry.input(description="The change of a purchase.")
class PurchaseChangeInput:
    purchase_id: strawberry.ID = strawberry.field(description=PURCHASE)
    price_id: strawberry.ID | None = strawberry.field(default=None, description=PRICE)
    quantity: int | None = strawberry.field(default=None, description=QUANTITY)
    anchor: date | None = strawberry.field(default=None, description=ANCHOR)
    expected_gross_cents: BigInt = strawberry.field(
        description="The total including VAT in cents that the buyer was shown "
        "(`purchaseChangePreview.quote.gross`). Another total is refused with PRICE_CHANGED."
    )
    payment_method: str | None = strawberry.field(default=None, description=PAYMENT_METHOD)
    payment_method_id: strawberry.ID | None = strawberry.field(
        default=None, description=PAYMENT_METHOD_ID
    )
    renew_with_payment_method: bool = strawberry.field(default=False, description=_RENEW)
    return_url: str | None = strawberry.field(default=None, description=_RETURN_URL)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The purchase whose scheduled change is canceled.")
class PurchaseCancelChangeInput:
    purchase_id: strawberry.ID = strawberry.field(
        description="The ID of a purchase with a `pendingChange`."
    )


@strawberry.input(description="The purchase to pause.")
class PurchasePauseInput:
    purchase_id: strawberry.ID = strawberry.field(
        description="The ID of a purchase that is active, or paused to choose another day."
    )
    resumes_on: date | None = strawberry.field(
        default=None,
        description=(
            "The day on which the purchase resumes automatically, at most a year after the pause "
            "begins. When omitted, it stays paused until `purchaseResume`."
        ),
    )


@strawberry.input(description="The purchase to resume.")
class PurchaseResumeInput:
    purchase_id: strawberry.ID = strawberry.field(description="The ID of a paused purchase.")
    expected_gross_cents: BigInt = strawberry.field(
        description="The total including VAT in cents that the buyer was shown "
        "(`purchaseResumePreview.quote.gross`). Another total is refused with PRICE_CHANGED."
    )
    payment_method: str | None = strawberry.field(default=None, description=PAYMENT_METHOD)
    payment_method_id: strawberry.ID | None = strawberry.field(
        default=None, description=PAYMENT_METHOD_ID
    )
    renew_with_payment_method: bool = strawberry.field(default=False, description=_RENEW)
    return_url: str | None = strawberry.field(default=None, description=_RETURN_URL)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The billing details of a purchase that renews.")
class PurchaseUpdateBillingInput:
    purchase_id: strawberry.ID = strawberry.field(description="The ID of a purchase that renews.")
    billing_address: PostalAddressInput = strawberry.field(
        description="The address on the next invoices of this purchase."
    )
    order_number: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The buyer's order number on the next invoices of this purchase. Omit it to "
        "keep the current one; null removes it.",
    )
    all_purchases: bool = strawberry.field(
        default=False,
        description="Whether the address is also that of the company's other purchases that renew. "
        "Their order numbers stay.",
    )
