"""Inputs and enums of the mutations about disputes and access."""

import strawberry

from billing.disputes import AccessReason
from models.billing.dispute import DisputeReason, DisputeStatus
from models.billing.refund import RefundDestination
from resolvers.arguments import IDEMPOTENCY_KEY
from resolvers.billing.credit_inputs import InvoiceCreditLineInput
from resolvers.descriptions import describe_enum
from resolvers.scalars import BigInt

describe_enum(
    DisputeReason,
    "Why an invoice is disputed. Each reason is a code of AFNOR XP Z12-012 for status 207.",
    {
        "DUPLICATE": "The same was invoiced before.",
        "ORDER": "The order, or its number, is wrong.",
        "CONTRACT_ENDED": "The contract had ended.",
        "PRICE": "A unit price is wrong.",
        "DISCOUNT": "A discount is missing or wrong.",
        "QUANTITY": "A quantity is wrong.",
        "ARTICLE": "Something else was ordered.",
        "INCOMPLETE_DELIVERY": "The service wasn't delivered, or not in full.",
        "QUALITY": "The service had defects.",
        "VAT_RATE": "A VAT rate is wrong.",
        "TOTAL": "The total is wrong.",
        "OTHER": "Another reason, which the text gives.",
    },
)


describe_enum(
    DisputeStatus,
    "The status of a dispute.",
    {
        "OPEN": "The staff hasn't decided yet. The invoice is not dunned.",
        "ACCEPTED": "The staff accepted it: `creditNote` corrects the invoice.",
        "REJECTED": "The staff rejected it for a reason that is in the ticket.",
    },
)


describe_enum(
    AccessReason,
    "Why the staff lets a company use a purchase before its invoice is paid.",
    {
        "PAYMENT_PROVEN": "The company has shown that it paid.",
        "PROVIDER_ERROR": "The payment failed because of an error of the vendor or of the payment "
        "provider.",
        "GOODWILL": "The vendor makes an exception.",
    },
)


@strawberry.input(description="The invoice and what is wrong with it.")
class InvoiceDisputeInput:
    invoice_id: strawberry.ID = strawberry.field(
        description="The ID of an invoice of the company that isn't disputed already."
    )
    reason: DisputeReason = strawberry.field(description="The reason.")
    body: str = strawberry.field(
        description="What is wrong, at most 4,000 characters: the first message of the ticket."
    )
    file_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list,
        description="The IDs of files that prove it (`fileAnnounce`), at most 10.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(
    description="The dispute and what to credit: exactly one of `whole`, `lines` and `amountCents`."
)
class DisputeAcceptInput:
    dispute_id: strawberry.ID = strawberry.field(description="The ID of an open dispute.")
    whole: bool = strawberry.field(
        default=False, description="True to credit everything that is left of the invoice."
    )
    lines: list[InvoiceCreditLineInput] = strawberry.field(
        default_factory=list, description="The lines to credit, at most 100."
    )
    amount_cents: BigInt | None = strawberry.field(
        default=None, description="An amount in cents, including VAT."
    )
    reason: str = strawberry.field(
        description="The reason, at most 200 characters. It is printed on the credit note."
    )
    refund: RefundDestination = strawberry.field(
        default=RefundDestination.NONE,
        description="What becomes of the part that was already paid. Required when there is one.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The dispute and why it is rejected.")
class DisputeRejectInput:
    dispute_id: strawberry.ID = strawberry.field(description="The ID of an open dispute.")
    reason: str = strawberry.field(
        description="The reason, at most 4,000 characters, which the requester reads in the ticket."
    )


@strawberry.input(description="The payment of a purchase that can't be used.")
class PaymentReportNoAccessInput:
    payment_id: strawberry.ID = strawberry.field(description="The ID of a payment.")
    body: str = strawberry.field(description="What doesn't work, at most 4,000 characters.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The purchase to let a company use.")
class PurchaseGrantAccessInput:
    purchase_id: strawberry.ID = strawberry.field(
        description="The ID of a purchase that is past due or suspended."
    )
    reason: AccessReason = strawberry.field(description="The reason, for the audit log.")
