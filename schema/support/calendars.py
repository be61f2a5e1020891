"""Calendars and closures, and the roots by which operators manage them."""

from datetime import datetime

import strawberry

import models.support.calendar
from auth.rules import agent, operator
from models.support.audit_actions import SupportAuditAction
from models.support.opening_hours import HolidayCalendar
from resolvers.support import calendars as calendar_resolvers
from resolvers.support.calendar_enums import Weekday
from schema.fields import edge, field, mutation, query
from schema.nodes import Connection, Node, backed_by
from schema.user_errors import UserError, errors


@strawberry.type(description="Hours of a day of the week.")
class WeeklyHours:
    weekday: Weekday = field("The day of the week.")
    opens: str = field("When the hours begin, such as 09:00.")
    closes: str = field("When the hours end, such as 18:00; 24:00 for the end of the day.")


@strawberry.type(
    description="A time during which a calendar is closed although its hours say otherwise."
)
@backed_by(models.support.calendar.Closure)
class Closure(Node):
    starts_at: datetime = field("When the closure begins.")
    ends_at: datetime = field("When the calendar opens again according to its hours.")
    reason: str = field("The reason.")
    created_at: datetime = field("When the closure was added.")


@strawberry.type(
    description="The hours in which customers are answered: weekly hours without public holidays "
    "and closures."
)
@backed_by(models.support.calendar.Calendar)
class Calendar(Node):
    name: str = field("The name.")
    time_zone: str = field("The time zone, such as Europe/Paris.")
    weekly_hours: list[WeeklyHours] = field(
        "The hours of the week, starting on Monday.",
        calendar_resolvers.weekly_hours_of,
        needs=("week",),
    )
    holidays: HolidayCalendar = field("The public holidays on which the calendar is closed.")
    is_default: bool = field(
        "Whether this is the default calendar, whose hours are shown to customers "
        "(`Query.contact`)."
    )
    created_at: datetime = field("When the calendar was created.")
    closures: list[Closure] = edge(
        calendar_resolvers.closures, description="The closures, earliest first."
    )


@strawberry.type(description="The result of a change to a calendar.")
class CalendarPayload:
    calendar: Calendar | None = field("The calendar after the change.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of adding a closure.")
class ClosureAddPayload:
    closure: Closure | None = field("The closure.")
    calendar: Calendar | None = field("The calendar that it closes.")
    user_errors: list[UserError] = errors()


@strawberry.type
class CalendarQuery:
    calendars: Connection[Calendar] | None = query(
        calendar_resolvers.calendars,
        allow=agent | operator,
        description="The calendars, oldest first.",
    )


@strawberry.type
class CalendarMutation:
    calendar_create: CalendarPayload | None = mutation(
        calendar_resolvers.create,
        "calendar",
        allow=operator,
        audit=SupportAuditAction.CALENDAR_CREATE,
        description="Creates a calendar.",
    )
    calendar_update: CalendarPayload | None = mutation(
        calendar_resolvers.update,
        "calendar",
        allow=operator,
        audit=SupportAuditAction.CALENDAR_UPDATE,
        description="Changes a calendar.",
    )
    calendar_set_default: CalendarPayload | None = mutation(
        calendar_resolvers.set_default,
        "calendar",
        allow=operator,
        audit=SupportAuditAction.CALENDAR_SET_DEFAULT,
        description="Makes a calendar the default, whose hours are shown to customers.",
    )
    closure_add: ClosureAddPayload | None = mutation(
        calendar_resolvers.add_closure,
        "closure",
        "calendar",
        allow=operator,
        audit=SupportAuditAction.CLOSURE_ADD,
        description="Closes a calendar for some time.",
    )
    closure_remove: CalendarPayload | None = mutation(
        calendar_resolvers.remove_closure,
        "calendar",
        allow=operator,
        audit=SupportAuditAction.CLOSURE_REMOVE,
        description="Removes a closure of a calendar.",
    )
