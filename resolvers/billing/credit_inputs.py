"""Inputs of the mutations about credit notes."""

import strawberry

from models.billing.refund import RefundDestination
from resolvers.arguments import IDEMPOTENCY_KEY
from resolvers.scalars import BigInt


@strawberry.input(
    description="What to credit of a line of an invoice: exactly one of `quantity` and `netCents`."
)
class InvoiceCreditLineInput:
    line_id: strawberry.ID = strawberry.field(description="The ID of the line (`Invoice.lines`).")
    quantity: int | None = strawberry.field(default=None, description="The number of its units.")
    net_cents: BigInt | None = strawberry.field(
        default=None, description="An amount of the line in cents, excluding VAT."
    )


@strawberry.input(
    description="The invoice and what to credit of it: exactly one of `whole`, `lines` and "
    "`amountCents`."
)
class InvoiceCreditInput:
    invoice_id: strawberry.ID = strawberry.field(description="The ID of an invoice.")
    whole: bool = strawberry.field(
        default=False,
        description=("True to credit everything that earlier credit notes haven't credited yet."),
    )
    lines: list[InvoiceCreditLineInput] = strawberry.field(
        default_factory=list, description="The lines to credit, at most 100."
    )
    amount_cents: BigInt | None = strawberry.field(
        default=None,
        description=(
            "An amount in cents, including VAT. It is split in proportion to what is left of the "
            "invoice at each VAT rate."
        ),
    )
    reason: str = strawberry.field(
        description="The reason, at most 200 characters. It is printed on the credit note."
    )
    refund: RefundDestination = strawberry.field(
        default=RefundDestination.NONE,
        description="What happens to the part that was already paid. Required when there is one.",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The refund of a transfer that was sent.")
class RefundMarkSentInput:
    refund_id: strawberry.ID = strawberry.field(
        description="The ID of a pending refund that has a `bankLine`."
    )
    reference: str = strawberry.field(
        description="The reference of the transfer at the bank, at most 140 characters."
    )


@strawberry.input(description="The refund of a transfer that failed.")
class RefundMarkFailedInput:
    refund_id: strawberry.ID = strawberry.field(
        description="The ID of a refund that has a `bankLine`: one that can't be sent, or whose "
        "money came back."
    )
