"""The analysts' reports: counts, sums and percentiles without personal data."""

from datetime import date

import strawberry

from models.billing.offer import Interval, Segment
from models.support.ticket import Category, Channel, TicketStatus
from resolvers.analytics import reports as report_resolvers
from schema.billing.money import Money
from schema.billing.offers import Offer
from schema.fields import edge, field


@strawberry.type(description="A group of tickets. A dimension that was not asked for is null.")
class TicketReportRow:
    channel: Channel | None = field("How these tickets reached the vendor.")
    category: Category | None = field("What they are about.")
    status: TicketStatus | None = field("Where they stand now.")
    day: date | None = field("The day they were opened, in Europe/Paris.")
    month: date | None = field("The month they were opened, as its first day.")
    count: int = field("How many tickets there are.")
    answered: int = field("How many of them the vendor has answered at least once.")
    solved: int = field("How many of them are SOLVED or CLOSED now.")
    median_first_response_seconds: float | None = field(
        "Half of the answered ones waited no longer for an answer: the mean of the two in the middle if their number is even."
    )
    p90_first_response_seconds: float | None = field(
        "Nine of ten answered ones waited no longer for the first answer (nearest rank)."
    )


@strawberry.type(description="A group of invoices. A dimension that was not asked for is null.")
class RevenueReportRow:
    offer: Offer | None = edge(report_resolvers.offers_of, description="What was sold.")
    segment: Segment | None = field("The size of business the offer is made for.")
    interval: Interval | None = field("How often the purchases renew.")
    day: date | None = field("The day of issue, in Europe/Paris.")
    month: date | None = field("The month of issue, as its first day.")
    invoices: int = field("How many were issued.")
    net: Money = field("Their sum, net of VAT.")
    vat: Money = field("The VAT on them.")
    gross: Money = field("Their sum, gross: net plus VAT.")
