"""Inputs of the billing mutations."""

from datetime import date

import strawberry

from models.billing.payment_method import PaymentKind
from models.locale import Locale
from resolvers.addresses import PostalAddressInput
from resolvers.arguments import IDEMPOTENCY_KEY
from resolvers.billing.enums import BankLineDismissal
from resolvers.scalars import BigInt


@strawberry.input(description="The price at which to buy the offer.")
class PurchaseDraftInput:
    price_id: strawberry.ID = strawberry.field(
        description="The ID of a price on sale (`Offer.prices`)."
    )
    quantity: int = strawberry.field(
        default=1, description="The number of units, 1 to 1,000, each at the price."
    )
    promotion_code: str | None = strawberry.field(
        default=None, description="A promotion code, in uppercase or lowercase."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The draft and the promotion code to apply to it.")
class PurchaseApplyPromotionInput:
    purchase_id: strawberry.ID = strawberry.field(
        description="The ID of a purchase that isn't paid, and has no payment in progress."
    )
    promotion_code: str | None = strawberry.field(
        description=(
            "The code, in uppercase or lowercase, which replaces a former one. Null removes it."
        )
    )


@strawberry.input(description="The purchase to start without a payment.")
class PurchaseStartInput:
    purchase_id: strawberry.ID = strawberry.field(
        description="The ID of a purchase whose billing details are confirmed."
    )
    payment_method_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The ID of a saved payment method, with which the purchase will renew. Nothing "
        "is charged now. Required by trials of a price whose `trialRequiresPaymentMethod` is true.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The purchase to discard.")
class PurchaseDiscardInput:
    purchase_id: strawberry.ID = strawberry.field(
        description="The ID of a purchase that isn't paid, and has no payment in progress."
    )


@strawberry.input(description="The draft and the total to accept.")
class PurchaseRepriceInput:
    purchase_id: strawberry.ID = strawberry.field(
        description="The ID of a draft, which may have expired."
    )
    gross_cents: BigInt = strawberry.field(
        description="The total including VAT in cents that the buyer accepts, from `purchaseQuote`."
    )


@strawberry.input(description="The payment to cancel.")
class PaymentCancelInput:
    payment_id: strawberry.ID = strawberry.field(
        description="The ID of a payment whose status is REQUIRES_ACTION."
    )


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
    payment_method: str | None = strawberry.field(
        default=None,
        description="The payment provider's token for a payment method, never a card number. In "
        "the sandbox: `pm_sandbox_success`, `pm_sandbox_declined` or `pm_sandbox_confirmation`. "
        "`paypal` pays with PayPal, if `PurchaseQuote.acceptsPaypal`. Null with "
        "`paymentMethodId`.",
    )
    payment_method_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The ID of a saved payment method, with which the purchase will renew. Null "
        "with `paymentMethod`.",
    )
    return_url: str | None = strawberry.field(
        default=None,
        description="The page to which the bank or PayPal sends the customer back. It must be one "
        "that the operator allows.",
    )
    expected_gross_cents: BigInt | None = strawberry.field(
        default=None,
        description="The total including VAT in cents that the buyer was shown. Another total is "
        "refused with PRICE_CHANGED. Not compared when omitted.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The invoice and how it is paid.")
class InvoicePayInput:
    invoice_id: strawberry.ID = strawberry.field(description="The ID of an invoice that is open.")
    payment_method: str | None = strawberry.field(
        default=None,
        description="The payment provider's token for a payment method, never a card number. "
        "`paypal` pays with PayPal, if the vendor offers it. Null with `paymentMethodId`.",
    )
    payment_method_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The ID of a saved payment method. Null with `paymentMethod`.",
    )
    return_url: str | None = strawberry.field(
        default=None,
        description="The page to which the bank or PayPal sends the customer back. It must be one "
        "that the operator allows.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The invoice to charge again.")
class InvoiceRetryPaymentInput:
    invoice_id: strawberry.ID = strawberry.field(description="The ID of an invoice that is open.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The purchase to cancel.")
class PurchaseCancelInput:
    purchase_id: strawberry.ID = strawberry.field(description="The ID of a purchase that renews.")
    reason: str | None = strawberry.field(
        default=None, description="Why, in the customer's words, at most 200 characters."
    )


@strawberry.input(description="The purchase whose cancellation is undone.")
class PurchaseUndoCancellationInput:
    purchase_id: strawberry.ID = strawberry.field(
        description="The ID of a purchase that was canceled and hasn't ended."
    )


_KIND = "The kind of payment method: a card, a direct debit mandate or a wallet."
_METHOD = (
    "The payment provider's token for the payment method, when the customer's page has one "
    "already; never a card number. When omitted, the customer enters it in the provider's script "
    "or on its page."
)
_RETURN_URL = (
    "The page to which the provider or the bank sends the customer back. It must be one that the "
    "operator allows."
)


@strawberry.input(description="The payment method to save.")
class PaymentMethodAddInput:
    kind: PaymentKind = strawberry.field(default=PaymentKind.CARD, description=_KIND)
    token: str | None = strawberry.field(default=None, description=_METHOD)
    return_url: str | None = strawberry.field(default=None, description=_RETURN_URL)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The payment method to save, and the one that it replaces.")
class PaymentMethodReplaceInput:
    payment_method_id: strawberry.ID = strawberry.field(
        description="The ID of an active payment method. It stays active until the new one is."
    )
    kind: PaymentKind = strawberry.field(default=PaymentKind.CARD, description=_KIND)
    token: str | None = strawberry.field(default=None, description=_METHOD)
    return_url: str | None = strawberry.field(default=None, description=_RETURN_URL)
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The payment method to query.")
class PaymentMethodConfirmInput:
    payment_method_id: strawberry.ID = strawberry.field(
        description="The ID of a payment method (`Account.paymentMethods`)."
    )


@strawberry.input(description="The payment method that becomes the default.")
class PaymentMethodSetDefaultInput:
    payment_method_id: strawberry.ID = strawberry.field(
        description="The ID of an active payment method."
    )


@strawberry.input(description="The payment method to remove.")
class PaymentMethodRemoveInput:
    payment_method_id: strawberry.ID = strawberry.field(
        description="The ID of a payment method (`Account.paymentMethods`)."
    )


@strawberry.input(description="The notification to handle again.")
class ProviderEventRetryInput:
    provider_event_id: strawberry.ID = strawberry.field(
        description="The ID of a notification whose status is FAILED."
    )


@strawberry.input(description="The payment to confirm.")
class PaymentConfirmInput:
    payment_id: strawberry.ID = strawberry.field(
        description="The ID of a payment whose status is REQUIRES_ACTION."
    )
    return_url: str | None = strawberry.field(default=None, description=_RETURN_URL)


@strawberry.input(description="The purchase to pay by bank transfer.")
class PurchasePayByTransferInput:
    purchase_id: strawberry.ID = strawberry.field(
        description="The ID of a purchase whose billing details are confirmed."
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


@strawberry.input(description="The bank statement to import.")
class BankStatementImportInput:
    file_name: str = strawberry.field(
        description="The name of the file, at most 200 characters, to recognize it later."
    )
    content: str = strawberry.field(
        description=(
            "The file in Base64, optionally compressed with gzip, at most 20 MB: a camt.053 "
            "statement or a CSV export. Import larger files with the command `import-statement`."
        )
    )
    iban: str | None = strawberry.field(
        default=None,
        description="The account of a CSV file, which doesn't contain it. Defaults to the account "
        "for transfers.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="An invoice that a line of a bank statement pays.")
class BankLineInvoiceInput:
    invoice_id: strawberry.ID = strawberry.field(description="The ID of the invoice.")
    amount_cents: BigInt | None = strawberry.field(
        default=None,
        description=(
            "How much of the line goes to the invoice, in cents. Defaults to what is open on the "
            "invoice."
        ),
    )


@strawberry.input(description="The line of a bank statement and what it pays.")
class BankLineMatchInput:
    line_id: strawberry.ID = strawberry.field(description="The ID of an unmatched line.")
    invoices: list[BankLineInvoiceInput] = strawberry.field(
        default_factory=list,
        description=(
            "The invoices that the line pays, in this order: at most 100, all of the same "
            "company. What is left over is added to the company's balance."
        ),
    )
    account_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The ID of the company on whose balance the money stays. Required without "
        "invoices.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="A reversal on a bank statement and the line that it reverses.")
class BankLineMatchReversalInput:
    line_id: strawberry.ID = strawberry.field(description="The ID of an unmatched reversal.")
    original_id: strawberry.ID = strawberry.field(
        description="The ID of the line that it reverses, which has the opposite amount."
    )


@strawberry.input(description="The line of a bank statement to set aside.")
class BankLineDismissInput:
    line_id: strawberry.ID = strawberry.field(description="The ID of an unmatched line.")
    reason: BankLineDismissal = strawberry.field(description="Why it is set aside.")


@strawberry.input(description="The line of a bank statement whose decision is undone.")
class BankLineUndoInput:
    line_id: strawberry.ID = strawberry.field(
        description=(
            "The ID of a line that was matched or set aside, or of a reversal that was matched "
            "with the line it reverses."
        )
    )


@strawberry.input(description="The movements of money to export.")
class AccountExportMovementsInput:
    account_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The ID of the company. Defaults to the one that the session acts for.",
    )
    since: date = strawberry.field(description="The first day.")
    until: date = strawberry.field(description="The day after the last one.")


@strawberry.input(description="The invoices to export.")
class AccountExportInvoicesInput:
    account_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The ID of the company. Defaults to the one that the session acts for.",
    )
    year: int = strawberry.field(description="The calendar year of issue, such as 2026.")


@strawberry.input(description="The year of accounting entries to export.")
class FecExportInput:
    year: int = strawberry.field(description="The calendar year, such as 2026.")
