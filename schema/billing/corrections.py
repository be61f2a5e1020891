"""Corrective invoices."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from schema.billing.money import Money
from schema.billing.quotes import QuotedLine, QuotedVat
from schema.fields import field
from schema.user_errors import UserError, errors

if TYPE_CHECKING:
    from schema.billing.invoices import Invoice


@strawberry.type(
    description=(
        "What a corrective invoice would state if it were issued today, and how the payments of "
        "the invoice that it replaces would be used."
    )
)
class InvoiceCorrectionPreview:
    lines: list[QuotedLine] = field("The lines.")
    net: Money = field("The total excluding VAT.")
    vat: Money = field("The total VAT, calculated and rounded once per rate.")
    gross: Money = field("The total including VAT.")
    vat_by_rate: list[QuotedVat] = field("The VAT by rate, highest rate first.")
    reduction: Money = field(
        "How much lower the total is than that of the invoice minus its credit notes, including "
        "VAT."
    )
    paid: Money = field("The part that the payments of the invoice cover.")
    open: Money = field("The amount still to be paid.")
    surplus: Money = field("The overpaid amount, which is refunded or stays on the balance.")


@strawberry.type(description="The result of `invoiceCorrect`.")
class InvoiceCorrectPayload:
    corrective_invoice: Annotated["Invoice", strawberry.lazy("schema.billing.invoices")] | None = (
        field("The corrective invoice.")
    )
    invoice: Annotated["Invoice", strawberry.lazy("schema.billing.invoices")] | None = field(
        "The invoice that it replaces."
    )
    user_errors: list[UserError] = errors()
