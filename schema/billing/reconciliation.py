"""The operator's comparison of what billing stores in several places."""

import strawberry

from schema.billing.money import Money
from schema.fields import field


@strawberry.type(
    description="The sums of billing, and the differences between the ledger, the documents, the "
    "payments and the bank statements."
)
class Reconciliation:
    owed: Money = field(
        "What all customers owe according to the ledger, including VAT, less what they paid ahead."
    )
    open: Money = field("What is open on all invoices, including VAT.")
    received: Money = field("The balance of the bank's account in the ledger.")
    unmatched_count: int = field("The number of lines of bank statements that wait for a person.")
    unmatched: Money = field("The sum of these lines.")
    errors: list[str] = field(
        "A sentence about each difference. Empty when there are none.", cost=20
    )
