"""Enums of credit notes and refunds."""

from enum import StrEnum

from models.billing.receivable import InvoiceState
from models.billing.refund import RefundDestination, RefundStatus
from resolvers.descriptions import describe_enum


class InvoiceType(StrEnum):
    """The types of documents, in words: models.billing.invoice.DocumentType by name."""

    INVOICE = "INVOICE"
    CREDIT_NOTE = "CREDIT_NOTE"
    CORRECTIVE_INVOICE = "CORRECTIVE_INVOICE"


describe_enum(
    InvoiceType,
    "The type of a document.",
    {
        "INVOICE": "An invoice (UNTDID 1001: 380).",
        "CREDIT_NOTE": (
            "A credit note, which reduces or cancels an invoice (381). Its amounts are positive."
        ),
        "CORRECTIVE_INVOICE": "An invoice that replaces another one (384).",
    },
)


describe_enum(
    InvoiceState,
    "Whether an invoice is paid.",
    {
        "UNPAID": "Nothing has been paid.",
        "PARTIALLY_PAID": "A part has been paid or credited.",
        "PAID": "Everything has been paid.",
        "DISPUTED": "The company disputes the invoice, which isn't dunned in the meantime.",
        "CREDITED": "Credit notes cover the whole invoice, or a corrective invoice replaces it.",
    },
)


describe_enum(
    RefundDestination,
    "What happens to the part of a credit note that was already paid.",
    {
        "NONE": "Nothing was paid yet: the credit note only reduces what is open.",
        "PAYMENT": "It is refunded by the means with which it was paid.",
        "BALANCE": "It stays on the company's balance, and pays other open invoices first.",
    },
)


describe_enum(
    RefundStatus,
    "The status of a refund.",
    {
        "PENDING": "The payment provider hasn't answered yet.",
        "SUCCEEDED": "The money was paid back.",
        "FAILED": "The payment provider refused, or the customer's bank returned the money later. "
        "It is on the company's balance.",
    },
)
