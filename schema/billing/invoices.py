"""Invoices."""

from datetime import date
from typing import TYPE_CHECKING, Annotated

import strawberry

import models.billing.invoice
from resolvers.billing import invoices as invoice_resolvers
from resolvers.billing import purchases as purchase_resolvers
from schema.billing.money import Money
from schema.fields import edge, field
from schema.nodes import Node, backed_by

if TYPE_CHECKING:
    from schema.billing.purchases import Purchase


@strawberry.type(description="One line of an invoice.")
class InvoiceLine:
    position: int = field("Its place, from 1.")
    label: str = field("What is billed.")
    quantity: int = field("How many.")
    unit_net: Money = field("Net price of one.", needs=("unit_net_cents",))
    net: Money = field("Net price of the line.", needs=("net_cents",))
    vat_rate: int = field("The VAT rate in hundredths of a percent: 2000 is 20 %.")


@strawberry.type(description="An issued invoice: numbered without gaps, never changed.")
@backed_by(models.billing.invoice.Invoice)
class Invoice(Node):
    number: str = field("Its number, such as FA-2026-000042.")
    issued_on: date = field("The day of issue in Paris.")
    due_on: date = field("The day by which it is to be paid; the day of payment where it is paid already.")
    net: Money = field("Net total.", needs=("net_cents",))
    vat: Money = field("VAT total: summed per rate, rounded once.", needs=("vat_cents",))
    gross: Money = field("Gross total.", needs=("gross_cents",))
    sha256: str = field("SHA-256 of the PDF, in hexadecimal: proof that it never changed.")
    download_url: str = field("A link to the PDF, good for five minutes.", invoice_resolvers.download_url, needs=("id",))
    lines: list[InvoiceLine] = edge(invoice_resolvers.lines, description="Its lines, in order.")
    purchase: Annotated["Purchase", strawberry.lazy("schema.billing.purchases")] = edge(
        purchase_resolvers.purchase_of, needs=("purchase_id",), description="What it bills."
    )
