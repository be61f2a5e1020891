"""The analysts' report of SLA measures."""

from datetime import date

import strawberry

from auth.rules import analyst
from models.support.classification import Category, Channel, Priority
from models.support.sla_policy import SlaMeasure
from resolvers.analytics import sla as sla_resolvers
from resolvers.analytics.reports import report_cost
from schema.fields import field, query


@strawberry.type(
    description="A group of complete SLA measures. Dimensions that weren't requested are null."
)
class SlaReportRow:
    measure: SlaMeasure | None = field("What was measured.")
    channel: Channel | None = field("The channel that the tickets were opened through.")
    priority: Priority | None = field("The current priority of the tickets.")
    category: Category | None = field("The category of the tickets.")
    team: str | None = field(
        "The name of the current team of the tickets. Null when there is none."
    )
    day: date | None = field("The day on which the measures began, in Europe/Paris.")
    month: date | None = field(
        "The month in which the measures began, as the date of its first day."
    )
    count: int = field("The number of complete measures.")
    breached: int = field("How many of them missed their target.")
    median_business_seconds: float = field("The median in seconds of business time.")
    p90_business_seconds: float = field(
        "The 90th percentile (nearest rank) in seconds of business time."
    )
    median_seconds: float = field("The median in seconds of wall-clock time.")
    p90_seconds: float = field("The 90th percentile (nearest rank) in seconds of wall-clock time.")


@strawberry.type
class SlaReportQuery:
    sla_report: list[SlaReportRow] | None = query(
        sla_resolvers.sla_report,
        allow=analyst,
        cost=report_cost,
        description="How soon customers were answered and tickets resolved, in business and in "
        "wall-clock time.",
    )
