"""Credit notes and refunds."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import models.billing.refund
from models.billing.refund import RefundStatus
from resolvers.billing import credit_notes as credit_resolvers
from resolvers.billing import refunds as refund_resolvers
from schema.billing.money import Money
from schema.fields import edge, field
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors

if TYPE_CHECKING:
    from schema.billing.bank import BankLine
    from schema.billing.invoices import Invoice
    from schema.billing.payments import Payment


@strawberry.type(description="Money that goes back to a company after a credit note.")
@backed_by(models.billing.refund.Refund)
class Refund(Node):
    status: RefundStatus = field("The current status.")
    amount: Money = field("The amount paid back.", needs=("amount_cents",))
    failure_code: str | None = field(
        "The payment provider's reason for a failure. Null unless the status is FAILED, and for "
        "transfers."
    )
    created_at: datetime = field("When the refund was decided.")
    settled_at: datetime | None = field("When the refund succeeded or failed. Null until then.")
    payment: Annotated["Payment", strawberry.lazy("schema.billing.payments")] = edge(
        credit_resolvers.payment_of,
        needs=("payment_id",),
        description="The payment that is refunded.",
    )
    credit_note: Annotated["Invoice", strawberry.lazy("schema.billing.invoices")] | None = edge(
        credit_resolvers.credit_note_of,
        needs=("credit_note_id",),
        description="The credit note for which money is paid back.",
    )
    bank_line: Annotated["BankLine", strawberry.lazy("schema.billing.bank")] | None = edge(
        refund_resolvers.bank_lines_of,
        needs=("bank_line_id",),
        description=(
            "The bank line of the transfer that is refunded: an operator sends the money to the "
            "payer's account. Null for refunds made by the payment provider, and for customers."
        ),
    )


@strawberry.type(description="The result of recording the outcome of a refund.")
class RefundPayload:
    refund: Refund | None = field("The refund in its new state.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of crediting an invoice.")
class InvoiceCreditPayload:
    credit_note: Annotated["Invoice", strawberry.lazy("schema.billing.invoices")] | None = field(
        "The credit note."
    )
    invoice: Annotated["Invoice", strawberry.lazy("schema.billing.invoices")] | None = field(
        "The credited invoice."
    )
    user_errors: list[UserError] = errors()
