"""The verification of invoice numbers."""

import strawberry

from schema.fields import field


@strawberry.type(description="The result of checking all invoice numbers.")
class InvoiceNumbering:
    issued_count: int = field("The number of issued invoices.")
    errors: list[str] = field(
        "A sentence about each gap, duplicate or date out of order. Empty when there are none.",
        cost=20,
    )
