"""Queries that analysts have saved, and the times at which their answers are sent."""

from datetime import datetime

import strawberry

import models.analytics.query_schedule
import models.analytics.saved_query
from auth.rules import analyst
from models.analytics.audit_actions import AnalyticsAuditAction
from models.analytics.query_schedule import QueryFrequency, QueryScheduleEnd
from resolvers.analytics import saved_queries as saved_resolvers
from resolvers.support.calendar_enums import Weekday
from schema.analytics.tables import AnalyticsTable
from schema.fields import edge, field, mutation, query, viewer_field
from schema.identity.users import User
from schema.nodes import Connection, Node, backed_by
from schema.user_errors import UserError, errors


@strawberry.type(
    description="The times at which the answer to a saved query is sent to an analyst by email."
)
@backed_by(models.analytics.query_schedule.QuerySchedule)
class QuerySchedule(Node):
    frequency: QueryFrequency = field("How often it is sent.")
    hour: int = field("The hour of the day in Europe/Paris, 0 to 23.")
    weekday: Weekday | None = field(
        "The day of the week. Null unless it is sent weekly.",
        saved_resolvers.weekday,
        needs=("weekday", "frequency"),
    )
    day_of_month: int | None = field(
        "The day of the month; in shorter months it is the last day. Null unless it is sent "
        "monthly.",
        saved_resolvers.day_of_month,
        needs=("day", "frequency"),
    )
    next_due_at: datetime | None = field(
        "When it is sent next. Null once nothing is sent any more."
    )
    last_sent_at: datetime | None = field("When it was last sent. Null before the first time.")
    ended_at: datetime | None = field("Since when nothing is sent. Null while it is active.")
    end_reason: QueryScheduleEnd | None = field(
        "Why nothing is sent. Null while it is active, and when its owner ended it."
    )
    owner: User = edge(
        saved_resolvers.owners,
        needs=("owner_id",),
        description="The analyst who has it sent.",
    )
    recipient: User = edge(
        saved_resolvers.recipients,
        needs=("recipient_id",),
        description="The analyst to whom it is sent.",
    )


@strawberry.type(description="A query that an analyst has saved under a name.")
@backed_by(models.analytics.saved_query.SavedQuery)
class SavedQuery(Node):
    name: str = field("The name of the query.")
    query: str = field(
        "The query, as JSON of an `AnalyticsQueryInput`: for `analytics`, or to change it.",
        saved_resolvers.query_json,
        needs=("query",),
        cost=1,
    )
    is_shared: bool = field("Whether all analysts see the query. Otherwise only its owner does.")
    problems: list[UserError] = viewer_field(
        saved_resolvers.problems,
        needs=("query",),
        description="Why the query can't run any more after an upgrade, with QUERY_OUTDATED first. "
        "Empty for a query that can run.",
    )
    created_at: datetime = field("When the query was saved.")
    updated_at: datetime = field("When the query was last changed.")
    owner: User = edge(
        saved_resolvers.owners,
        needs=("owner_id",),
        description="The analyst who saved it. Only they can change it, or all analysts once its "
        "owner is no longer one.",
    )
    schedules: list[QuerySchedule] = edge(
        saved_resolvers.schedules_of,
        cost=10,
        description="The times at which the viewer has the answer sent, or is sent it.",
    )


@strawberry.type(description="The report that an email links to.")
class AnalyticsReport:
    name: str = field("The name under which the query was saved.")
    query: str = field(
        "The query with the days of the report, as JSON of an `AnalyticsQueryInput`."
    )
    table: AnalyticsTable = field("The answer to the query, as it is now.")


@strawberry.type(description="The result of a change to a saved query.")
class SavedQueryPayload:
    saved_query: SavedQuery | None = field("The query after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of deleting a saved query.")
class SavedQueryDeletePayload:
    deleted: bool | None = field("True when the query was deleted.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of a change to a schedule.")
class QuerySchedulePayload:
    query_schedule: QuerySchedule | None = field("The schedule after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of deleting a schedule.")
class QueryScheduleDeletePayload:
    deleted: bool | None = field("True when the schedule was deleted.")
    user_errors: list[UserError] = errors()


@strawberry.type
class SavedQueryQuery:
    saved_queries: Connection[SavedQuery] | None = query(
        saved_resolvers.saved_query_list,
        allow=analyst,
        description="The viewer's saved queries, and those that other analysts share.",
    )
    saved_query_answer: AnalyticsTable | None = query(
        saved_resolvers.saved_answer,
        allow=analyst,
        cost=saved_resolvers.MAX_COST,
        description="The answer to a saved query, whose relative periods are evaluated now. It "
        "costs as much as the largest query that can be saved. A query that can't run any more is "
        "refused with QUERY_OUTDATED.",
    )
    query_schedules: Connection[QuerySchedule] | None = query(
        saved_resolvers.schedule_list,
        allow=analyst,
        description="The schedules by which the viewer has answers sent, or is sent them, oldest "
        "first.",
    )
    analytics_report: AnalyticsReport | None = query(
        saved_resolvers.report,
        allow=analyst,
        cost=saved_resolvers.MAX_COST,
        description="The report that an email links to, for its recipient, up to 7 days after the "
        "email was sent.",
    )


@strawberry.type
class SavedQueryMutation:
    saved_query_create: SavedQueryPayload | None = mutation(
        saved_resolvers.create,
        "saved_query",
        allow=analyst,
        audit=AnalyticsAuditAction.SAVED_QUERY_CREATE,
        description="Saves a query under a name. It is checked as `analytics` checks it, and may "
        "cost at most 10,000. An analyst can save 200.",
    )
    saved_query_update: SavedQueryPayload | None = mutation(
        saved_resolvers.update,
        "saved_query",
        allow=analyst,
        audit=AnalyticsAuditAction.SAVED_QUERY_UPDATE,
        description="Changes a saved query or its name, shares it, or stops sharing it.",
    )
    saved_query_delete: SavedQueryDeletePayload | None = mutation(
        saved_resolvers.delete,
        "deleted",
        allow=analyst,
        audit=AnalyticsAuditAction.SAVED_QUERY_DELETE,
        description="Deletes a saved query with its schedules. Other analysts who had scheduled it "
        "are told by email.",
    )
    query_schedule_create: QuerySchedulePayload | None = mutation(
        saved_resolvers.create_schedule,
        "query_schedule",
        allow=analyst,
        audit=AnalyticsAuditAction.QUERY_SCHEDULE_CREATE,
        description="Has the answer to a saved query sent by email, to the viewer or to another "
        "analyst. It ends when its owner or recipient is no longer an analyst.",
    )
    query_schedule_update: QuerySchedulePayload | None = mutation(
        saved_resolvers.update_schedule,
        "query_schedule",
        allow=analyst,
        audit=AnalyticsAuditAction.QUERY_SCHEDULE_UPDATE,
        description="Changes when an answer is sent, ends it, or resumes it.",
    )
    query_schedule_delete: QueryScheduleDeletePayload | None = mutation(
        saved_resolvers.delete_schedule,
        "deleted",
        allow=analyst,
        audit=AnalyticsAuditAction.QUERY_SCHEDULE_DELETE,
        description="Deletes a schedule of the viewer's, or one that sends to the viewer.",
    )
