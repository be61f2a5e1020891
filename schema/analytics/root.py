"""The analytics domain's part of the roots."""

import strawberry

from auth.rules import analyst
from resolvers.analytics import collection as collection_resolvers
from resolvers.analytics import recurring as recurring_resolvers
from resolvers.analytics import reports as report_resolvers
from schema.analytics.collection import (
    DunningReportRow,
    FailedPaymentReportRow,
    UnpaidReportRow,
)
from schema.analytics.recurring import ChurnReportRow, MrrReportRow
from schema.analytics.reports import RevenueReportRow, TicketReportRow
from schema.analytics.sla import SlaReportQuery
from schema.analytics.tables import AnalyticsTableQuery
from schema.fields import query


@strawberry.type
class AnalyticsQuery(AnalyticsTableQuery, SlaReportQuery):
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
    mrr_report: list[MrrReportRow] | None = query(
        recurring_resolvers.mrr_report,
        allow=analyst,
        cost=report_resolvers.range_cost,
        description="The monthly recurring revenue at the end of each month that the range "
        "touches.",
    )
    churn_report: list[ChurnReportRow] | None = query(
        recurring_resolvers.churn_report,
        allow=analyst,
        cost=report_resolvers.range_cost,
        description="The purchases that ended in each month that the range touches.",
    )
    failed_payment_report: list[FailedPaymentReportRow] | None = query(
        collection_resolvers.failed_payment_report,
        allow=analyst,
        cost=report_resolvers.range_cost,
        description="The payments that were declined, by reason.",
    )
    dunning_report: list[DunningReportRow] | None = query(
        collection_resolvers.dunning_report,
        allow=analyst,
        cost=report_resolvers.range_cost,
        description="The invoices that were due in the range and dunned, by their last step.",
    )
    unpaid_report: list[UnpaidReportRow] | None = query(
        collection_resolvers.unpaid_report,
        allow=analyst,
        cost=report_resolvers.range_cost,
        description="What is open on invoices today, by how long ago they were due.",
    )
