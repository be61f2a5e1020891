"""Inputs of the corrective invoice mutation."""

import strawberry

from models.billing.refund import RefundDestination
from resolvers.arguments import IDEMPOTENCY_KEY
from resolvers.scalars import BigInt

LINES = "The lines that change, at most 100. The others stay as they are."
RENEWS_BUYER = "True to use the company's current legal name, address and VAT number."
ORDER_NUMBER = "The corrected order number of the company, at most 50 characters."
REMOVES_ORDER_NUMBER = "True to leave out the order number."


@strawberry.input(
    description=("The corrections to a line of an invoice. Omitted fields keep their values.")
)
class InvoiceCorrectLineInput:
    line_id: strawberry.ID = strawberry.field(description="The ID of the line (`Invoice.lines`).")
    label: str | None = strawberry.field(
        default=None,
        description=("The corrected description of what is billed, at most 300 characters."),
    )
    quantity: int | None = strawberry.field(
        default=None, description="The corrected number of units. 0 removes the line."
    )
    unit_net_cents: BigInt | None = strawberry.field(
        default=None, description="The corrected price per unit in cents, excluding VAT."
    )


@strawberry.input(description="The invoice and what to correct in it.")
class InvoiceCorrectInput:
    invoice_id: strawberry.ID = strawberry.field(
        description="The ID of an invoice that is neither credited in full nor replaced."
    )
    lines: list[InvoiceCorrectLineInput] = strawberry.field(default_factory=list, description=LINES)
    renews_buyer: bool = strawberry.field(default=False, description=RENEWS_BUYER)
    order_number: str | None = strawberry.field(default=None, description=ORDER_NUMBER)
    removes_order_number: bool = strawberry.field(default=False, description=REMOVES_ORDER_NUMBER)
    reason: str = strawberry.field(
        description="The reason, at most 200 characters. It is printed on the corrective invoice."
    )
    refund: RefundDestination = strawberry.field(
        default=RefundDestination.NONE,
        description="What happens to the overpaid amount. Required when there is one "
        "(`InvoiceCorrectionPreview.surplus`).",
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)
