"""The analysts' reports: counts, sums and percentiles without personal data."""

from datetime import date

import strawberry

from models.billing.offer import Interval, Segment
from models.support.classification import Category, Channel
from models.support.ticket_status import TicketStatus
from resolvers.analytics import reports as report_resolvers
from schema.billing.money import Money
from schema.billing.offers import Offer
from schema.fields import edge, field


@strawberry.type(description="A group of tickets. Dimensions that weren't requested are null.")
class TicketReportRow:
    channel: Channel | None = field("The channel that the tickets were opened through.")
    category: Category | None = field("The category of the tickets.")
    status: TicketStatus | None = field("The current status of the tickets.")
    day: date | None = field("The day on which the tickets were opened, in Europe/Paris.")
    month: date | None = field(
        "The month in which the tickets were opened, as the date of its first day."
    )
    count: int = field("The number of tickets.")
    answered: int = field("The number of tickets with at least one reply by the staff.")
    solved: int = field("The number of tickets whose current status is SOLVED or CLOSED.")
    median_first_response_seconds: float | None = field(
        "The median time to the first response, in seconds, over the answered tickets."
    )
    p90_first_response_seconds: float | None = field(
        "The 90th percentile (nearest rank) of the time to the first response, in seconds, over "
        "the answered tickets."
    )


@strawberry.type(description="A group of invoices. Dimensions that weren't requested are null.")
class RevenueReportRow:
    offer: Offer | None = edge(report_resolvers.offers_of, description="The offer that was sold.")
    segment: Segment | None = field("The size of business that the offer is for.")
    interval: Interval | None = field("The renewal interval of the purchases.")
    day: date | None = field("The date of issue, in Europe/Paris.")
    month: date | None = field("The month of issue, as the date of its first day.")
    invoices: int = field("The number of issued invoices.")
    net: Money = field(
        "The sum of the invoices minus the credit notes, excluding VAT. From the day of its issue, "
        "a corrective invoice counts instead of the one that it replaces."
    )
    vat: Money = field("The sum of the VAT.")
    gross: Money = field("The sum including VAT.")
