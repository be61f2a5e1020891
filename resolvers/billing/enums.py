"""Enums of billing."""

from models.billing.offer import Interval, Segment
from models.billing.payment import PaymentStatus
from models.billing.purchase import PurchaseStatus
from resolvers.described import described

described(
    Segment,
    "The size of business an offer is made for.",
    {"TPE": "Very small businesses, fewer than 10 people.", "PME": "Small and medium-sized businesses, 10 to 249 people."},
)


described(
    Interval,
    "How often a purchase renews.",
    {"MONTH": "Every month on the anniversary.", "YEAR": "Every year on the anniversary."},
)


described(
    PurchaseStatus,
    "Where a purchase stands.",
    {
        "DRAFT": "Chosen; billing details are next.",
        "BILLING_CONFIRMED": "Whom and where to bill is known; payment is next.",
        "PAYMENT_PENDING": "A payment is under way.",
        "ACTIVE": "Paid; the offer can be used and renews on its anniversary.",
    },
)


described(
    PaymentStatus,
    "Where an attempt to pay stands.",
    {
        "PROCESSING": "The provider has not answered yet.",
        "REQUIRES_ACTION": "The bank wants the customer's confirmation, at `confirmationUrl`.",
        "SUCCEEDED": "The money was collected.",
        "DECLINED": "The bank or the customer said no; another means can be tried.",
    },
)
