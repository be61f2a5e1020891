"""Enums of billing."""

from models.billing.invoice_recipient import InvoiceRecipientStatus
from models.billing.offer import Interval, Segment
from models.billing.payment import PaymentStatus
from models.billing.purchase import PurchaseStatus
from resolvers.descriptions import describe_enum

describe_enum(
    Segment,
    "The size of business that an offer is for.",
    {
        "TPE": "Very small businesses (TPE) with fewer than 10 employees.",
        "PME": "Small and medium-sized businesses (PME) with 10 to 249 employees.",
    },
)


describe_enum(
    Interval,
    "The interval at which a purchase renews.",
    {
        "MONTH": "Renews every month on the anniversary.",
        "YEAR": "Renews every year on the anniversary.",
    },
)


describe_enum(
    PurchaseStatus,
    "The status of a purchase.",
    {
        "DRAFT": "An offer was chosen. The billing details are the next step.",
        "BILLING_CONFIRMED": "The billing details are confirmed. The payment is the next step.",
        "PAYMENT_PENDING": "A payment is in progress.",
        "TRIALING": "The offer can be used free of charge until the trial ends.",
        "ACTIVE": "The purchase is paid. The offer can be used and renews on its anniversary.",
        "PAST_DUE": "An invoice is overdue. The offer can still be used.",
        "PAUSED": "The purchase is paused by the customer: it isn't billed, and the offer can't be "
        "used until it is resumed.",
        "SUSPENDED": "An invoice is long overdue. The offer can't be used until it is paid.",
        "CANCELED": "The purchase was canceled and has ended.",
        "EXPIRED": "The draft was not paid in time.",
    },
)


describe_enum(
    PaymentStatus,
    "The status of a payment.",
    {
        "PROCESSING": "The payment provider hasn't answered yet.",
        "REQUIRES_ACTION": "The customer has to confirm the payment with their bank, at "
        "`confirmationUrl`.",
        "SUCCEEDED": "The money was collected.",
        "DECLINED": "The bank or the customer declined the payment. Another payment method can be "
        "used.",
        "CANCELED": "The customer left the payment before it was confirmed.",
        "EXPIRED": "The payment wasn't confirmed with the bank in time.",
    },
)


describe_enum(
    InvoiceRecipientStatus,
    "Whether a recipient outside the company receives its invoices.",
    {
        "PENDING": "The recipient was asked by email and hasn't answered.",
        "CONFIRMED": "The recipient receives every invoice.",
        "REFUSED": "The recipient declined or unsubscribed, and isn't asked again.",
    },
)
