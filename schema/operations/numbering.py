"""The operator's proof of the invoices' numbering."""

import strawberry

from schema.fields import field


@strawberry.type(description="What a check of all invoice numbers found.")
class InvoiceNumbering:
    issued: int = field("How many invoices were issued.")
    faults: list[str] = field("Gaps, duplicates and dates going back, as sentences; empty when all is well.")
