"""A company's movements of money, and the files exported from them."""

from datetime import date

import strawberry

import models.billing.ledger
from billing.movements import MovementKind
from resolvers.billing import movements as movement_resolvers
from schema.billing.invoices import Invoice
from schema.billing.money import Money
from schema.billing.payments import Payment
from schema.fields import edge, field
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors


@strawberry.type(
    name="MoneyMovement",
    description="Something that changed what a company owes: an invoice, a credit note, a payment, "
    "a reversed payment or a refund.",
)
@backed_by(models.billing.ledger.LedgerEntry)
class MoneyMovement(Node):
    kind: MovementKind = field(
        "What happened.", movement_resolvers.movement_kind, needs=("label_key",)
    )
    day: date = field("The day of the movement, in Europe/Paris.")
    document: str = field(
        "The number of the invoice or credit note, or the reference of the payment or refund.",
        lambda root: root.piece,
        needs=("piece",),
    )
    amount: Money = edge(
        movement_resolvers.amounts,
        description="What the movement adds to what the company owes, including VAT: positive for "
        "an invoice, negative for a payment.",
    )
    balance: Money = edge(
        movement_resolvers.balances,
        description="What the company owed after the movement, including VAT. Negative when it "
        "had paid ahead.",
    )
    invoice: Invoice | None = edge(
        movement_resolvers.invoice_of,
        needs=("invoice_id",),
        description="The invoice or credit note. Null for payments and refunds.",
    )
    payment: Payment | None = edge(
        movement_resolvers.payment_of,
        needs=("payment_id",),
        description="The payment. Null for invoices, credit notes and refunds.",
    )


@strawberry.type(description="The result of requesting a file.")
class ExportPayload:
    url: str | None = field("The link to download the file, valid for five minutes.")
    user_errors: list[UserError] = errors()
