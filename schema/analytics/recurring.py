"""The analysts' reports of recurring revenue and of churn."""

from datetime import date

import strawberry

from resolvers.analytics import reports as report_resolvers
from schema.billing.money import Money
from schema.billing.offers import Offer
from schema.fields import edge, field


@strawberry.type(description="The monthly recurring revenue at the end of a month.")
class MrrReportRow:
    month: date = field("The month, as the date of its first day.")
    day: date = field("The day of the measurement: the last day of the month, or today.")
    offer: Offer | None = edge(
        report_resolvers.offers_of, description="The offer. Null unless `byOffer` is true."
    )
    purchases: int = field("The number of purchases whose billed period contains the day.")
    mrr: Money = field(
        "The monthly price of these periods, excluding VAT and after discounts. A yearly price is "
        "divided by twelve."
    )


@strawberry.type(
    description=("The purchases that ended in a month, compared with those at its beginning.")
)
class ChurnReportRow:
    month: date = field("The month, as the date of its first day.")
    purchases_before: int = field("The number of purchases at the beginning of the month.")
    mrr_before: Money = field("Their monthly recurring revenue.")
    purchases_lost: int = field("The number of purchases that ended in the month.")
    mrr_lost: Money = field("The monthly recurring revenue of their last periods.")
    rate: float | None = field(
        "The share of the purchases that was lost. Null when there were none before."
    )
