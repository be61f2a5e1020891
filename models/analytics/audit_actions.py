"""Audited actions of the analytics domain."""

from models.audit_action import AuditAction


class AnalyticsAuditAction(AuditAction):
    """Actions of the analytics domain."""

    SAVED_QUERY_CREATE = (
        "saved_query.create",
        "A query of the table `fact` was saved. `shared` is whether all analysts see it.",
    )
    SAVED_QUERY_UPDATE = (
        "saved_query.update",
        "A saved query was changed. `shared` is whether all analysts see it.",
    )
    SAVED_QUERY_DELETE = "saved_query.delete", "A saved query was deleted, with its schedules."
    QUERY_SCHEDULE_CREATE = (
        "query_schedule.create",
        "The answers to a saved query are sent to the analyst `recipient` from now on.",
    )
    QUERY_SCHEDULE_UPDATE = (
        "query_schedule.update",
        "The time at which answers to a saved query are sent was changed, or a schedule that had "
        "ended was resumed.",
    )
    QUERY_SCHEDULE_DELETE = "query_schedule.delete", "A schedule was deleted."
    QUERY_SCHEDULE_END = (
        "query_schedule.end",
        "The system ended a schedule, for the `reason` RECIPIENT_LEFT, OWNER_LEFT, "
        "QUERY_NOT_SHARED or FAILING.",
    )
