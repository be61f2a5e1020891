"""Disputes of invoices."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import models.billing.dispute
from models.billing.dispute import DisputeReason, DisputeStatus
from resolvers.accounts import accounts as account_resolvers
from resolvers.billing import disputes as dispute_resolvers
from schema.fields import edge, field
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors

if TYPE_CHECKING:
    from schema.accounts.accounts import Account
    from schema.billing.invoices import Invoice
    from schema.billing.payments import Payment
    from schema.support.tickets import Ticket


@strawberry.type(description="A company's dispute of an invoice.")
@backed_by(models.billing.dispute.Dispute)
class Dispute(Node):
    reason: DisputeReason = field("The reason.")
    code: str = field(
        "The code of the reason as platforms exchange it (AFNOR XP Z12-012, status 207).",
        dispute_resolvers.code,
        needs=("reason",),
    )
    status: DisputeStatus = field("The current status.")
    created_at: datetime = field("When the invoice was disputed.")
    decided_at: datetime | None = field("When the staff decided. Null until then.")
    account: Annotated["Account", strawberry.lazy("schema.accounts.accounts")] = edge(
        account_resolvers.accounts_of,
        needs=("account_id",),
        description="The company that disputes its invoice.",
    )
    invoice: Annotated["Invoice", strawberry.lazy("schema.billing.invoices")] = edge(
        dispute_resolvers.invoice_of, needs=("invoice_id",), description="The disputed invoice."
    )
    ticket: Annotated["Ticket", strawberry.lazy("schema.support.tickets")] = edge(
        dispute_resolvers.ticket_of,
        needs=("ticket_id",),
        description="The ticket with the text and the files of the dispute, and the decision.",
    )
    credit_note: Annotated["Invoice", strawberry.lazy("schema.billing.invoices")] | None = edge(
        dispute_resolvers.credit_note_of,
        needs=("credit_note_id",),
        description="The credit note with which the dispute was accepted. Null unless it was.",
    )


@strawberry.type(description="The result of a dispute or of its decision.")
class DisputePayload:
    dispute: Dispute | None = field("The dispute.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of reporting a purchase that can't be used.")
class PaymentReportNoAccessPayload:
    ticket: Annotated["Ticket", strawberry.lazy("schema.support.tickets")] | None = field(
        "The ticket, whose message contains the details of the payment."
    )
    payment: Annotated["Payment", strawberry.lazy("schema.billing.payments")] | None = field(
        "The payment."
    )
    user_errors: list[UserError] = errors()
