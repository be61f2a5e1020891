"""The analysts' reports of how invoices are collected."""

import strawberry

from models.billing.payment_method import PaymentKind
from resolvers.analytics.collection import UnpaidAge
from schema.billing.money import Money
from schema.fields import field


@strawberry.type(description="Declined payments of one kind, by reason.")
class FailedPaymentReportRow:
    kind: PaymentKind = field("The kind of payment method.")
    reason: str = field("The provider's code for the reason. Empty when it gave none.")
    payments: int = field("The number of attempts.")
    amount: Money = field("The sum of the attempts.")


@strawberry.type(
    description="Late invoices and their outcomes, by the last step of dunning that was taken."
)
class DunningReportRow:
    step: int = field("The last step, in days after the due date.")
    invoices: int = field("The number of invoices.")
    recovered: int = field("How many of them were paid.")
    credited: int = field("How many of them were credited.")
    suspended: int = field("How many of them are still open and belong to a suspended purchase.")
    canceled: int = field(
        "How many of them are still open and belong to a purchase that has ended."
    )
    recovered_amount: Money = field("The total that was paid on them.")
    open_amount: Money = field("The total that is still open on them.")


@strawberry.type(description="What is open on invoices, by how long ago they were due.")
class UnpaidReportRow:
    age: UnpaidAge = field("How long ago the invoices were due.")
    invoices: int = field("The number of invoices.")
    open: Money = field("What is open on them, including VAT.")
    disputed: Money = field("The part of it that is disputed, and isn't dunned.")
