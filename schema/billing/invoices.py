"""Invoices."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

import models.billing.invoice
from models.billing.receivable import InvoiceState
from resolvers.billing import corrections as correction_resolvers
from resolvers.billing import credit_notes as credit_resolvers
from resolvers.billing import deliveries as delivery_resolvers
from resolvers.billing import disputes as dispute_resolvers
from resolvers.billing import invoices as invoice_resolvers
from resolvers.billing import purchases as purchase_resolvers
from resolvers.billing import transfers as transfer_resolvers
from resolvers.billing.credit_enums import InvoiceType
from schema.billing.money import Money
from schema.billing.refunds import Refund
from schema.fields import edge, field
from schema.nodes import Node, backed_by

if TYPE_CHECKING:
    from schema.billing.deliveries import InvoiceDelivery
    from schema.billing.disputes import Dispute
    from schema.billing.purchases import Purchase


@strawberry.type(description="How to pay what is open on an invoice by bank transfer.")
class TransferInstructions:
    holder: str = field("The name of the account's holder.")
    iban: str = field("The account to pay to.")
    bic: str = field("The BIC of the account's bank.")
    reference: str = field(
        "The ISO 11649 reference to quote, by which the transfer is matched with the invoice."
    )
    amount: Money = field("The amount to transfer, including VAT: what is open on the invoice.")
    due_on: date = field("The day by which the money has to arrive.")


@strawberry.type(description="A line of an invoice.")
@backed_by(models.billing.invoice.InvoiceLine)
class InvoiceLine(Node):
    position: int = field("The position of the line, starting at 1.")
    label: str = field("What is billed: the name of the offer.")
    description: str = edge(
        invoice_resolvers.line_descriptions,
        description=(
            "The details of the line as printed, in the language of the document: what the offer "
            "includes, or how many days of the period the line covers. Empty when there are none."
        ),
        needs=("invoice_id", "position"),
    )
    quantity: int = field("The number of units.")
    unit_net: Money = field("The price per unit, excluding VAT.", needs=("unit_net_cents",))
    net: Money = field("The amount of the line, excluding VAT.", needs=("net_cents",))
    vat_rate: int = field("The VAT rate in hundredths of a percent: 2000 is 20%.")


@strawberry.type(description="An issued invoice. Numbers have no gaps, and invoices never change.")
@backed_by(models.billing.invoice.Invoice)
class Invoice(Node):
    type: InvoiceType = field(
        "Whether it is an invoice, a credit note or a corrective invoice.",
        credit_resolvers.invoice_type,
        needs=("type",),
    )
    number: str = field("The invoice number, such as FA-2026-000042.")
    issued_on: date = field("The date of issue, in Europe/Paris.")
    due_on: date = field("The due date. For an invoice that is already paid, the date of payment.")
    net: Money = field("The total excluding VAT.", needs=("net_cents",))
    vat: Money = field("The total VAT, calculated and rounded once per rate.", needs=("vat_cents",))
    gross: Money = field("The total including VAT.", needs=("gross_cents",))
    sha256: str | None = edge(
        invoice_resolvers.document_hashes,
        description="The SHA-256 hash of the PDF, in hexadecimal, which proves that the PDF hasn't "
        "changed. Null until the PDF is made, moments after the invoice was issued.",
    )
    buyer_erased_at: datetime | None = edge(
        invoice_resolvers.buyers_erased_at,
        description="When the buyer was removed from the invoice, with its PDF, because the ten "
        "years for which the law requires to keep it were over. Null until then.",
    )
    download_url: str = field(
        "A link to download the PDF, valid for five minutes. It doesn’t work anymore once "
        "`buyerErasedAt` is set.",
        invoice_resolvers.download_url,
        needs=("id",),
    )
    transfer: TransferInstructions | None = edge(
        transfer_resolvers.transfers,
        needs=("id", "number", "reference"),
        description="How to pay the invoice by bank transfer. Null when nothing is open, and when "
        "the vendor doesn't accept transfers.",
    )
    lines: list[InvoiceLine] = edge(
        invoice_resolvers.lines, description="The lines of the invoice, in order."
    )
    purchase: Annotated["Purchase", strawberry.lazy("schema.billing.purchases")] = edge(
        purchase_resolvers.purchase_of,
        needs=("purchase_id",),
        description="The purchase that the invoice bills.",
    )
    state: InvoiceState | None = edge(
        credit_resolvers.states, description="Whether the invoice is paid. Null for a credit note."
    )
    open_amount: Money | None = edge(
        credit_resolvers.open_amounts,
        description="What is still to be paid. Null for a credit note.",
    )
    credited_amount: Money | None = edge(
        credit_resolvers.credited_amounts,
        description="The sum of the credit notes of the invoice, including VAT. Null for a credit "
        "note.",
    )
    credit_notes: list[Annotated["Invoice", strawberry.lazy("schema.billing.invoices")]] = edge(
        credit_resolvers.credit_notes_of,
        description="The credit notes of the invoice, in the order of issue.",
    )
    original: Annotated["Invoice", strawberry.lazy("schema.billing.invoices")] | None = edge(
        credit_resolvers.original_of,
        needs=("original_id",),
        description="The invoice that a credit note or a corrective invoice cites. Null for "
        "an invoice.",
    )
    corrective_invoice: Annotated["Invoice", strawberry.lazy("schema.billing.invoices")] | None = (
        edge(
            correction_resolvers.corrective_invoice_of,
            description="The corrective invoice that cancels and replaces the invoice. Null unless "
            "there is one.",
        )
    )
    refunds: list[Refund] = edge(
        credit_resolvers.refunds_of_credit_note,
        description="The refunds for a credit note. Empty for an invoice.",
    )
    delivery: Annotated["InvoiceDelivery", strawberry.lazy("schema.billing.deliveries")] | None = (
        edge(
            delivery_resolvers.delivery_of,
            description="How the invoice is delivered, and its status at the platforms. Null until "
            "the PDF is made.",
        )
    )
    disputes: list[Annotated["Dispute", strawberry.lazy("schema.billing.disputes")]] = edge(
        dispute_resolvers.disputes_of,
        description="The disputes of the invoice, oldest first. At most one is open.",
    )
