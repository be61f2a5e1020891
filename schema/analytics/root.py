"""The analytics domain's part of the roots."""

import strawberry

from auth.rules import analyst
from resolvers.analytics import reports as report_resolvers
from schema.analytics.reports import RevenueReportRow, TicketReportRow
from schema.fields import query


@strawberry.type
class AnalyticsQuery:
    ticket_report: list[TicketReportRow] | None = query(
        report_resolvers.ticket_report,
        allow=analyst,
        cost=report_resolvers.report_cost,
        description="The number and response times of tickets, grouped by dimensions.",
    )
    revenue_report: list[RevenueReportRow] | None = query(
        report_resolvers.revenue_report,
        allow=analyst,
        cost=report_resolvers.report_cost,
        description="The invoiced revenue, grouped by dimensions.",
    )
