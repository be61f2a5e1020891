"""The operator's proof of the invoices' numbering."""

import strawberry

from schema.fields import field


@strawberry.type(description="The result of checking all invoice numbers.")
class InvoiceNumbering:
    issued: int = field("The number of issued invoices.")
    faults: list[str] = field(
        "The gaps, duplicates and dates out of order that were found, as sentences. Empty when "
        "there are none."
    )
