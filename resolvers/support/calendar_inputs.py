"""Inputs of the mutations by which operators manage calendars."""

from datetime import datetime

import strawberry

from models.support.opening_hours import HolidayCalendar
from resolvers.arguments import IDEMPOTENCY_KEY
from resolvers.support.calendar_enums import Weekday

_CALENDAR_ID = "The ID of a calendar."
_NAME = "The name, which staff see (at most 100 characters)."
_TIME_ZONE = "The time zone, by its name in the IANA database, such as Europe/Paris."
_WEEKLY_HOURS = (
    "The hours of the week: at most 70 entries, which can't overlap. The calendar is closed on "
    "days without an entry."
)
_HOLIDAYS = "The public holidays on which the calendar is closed."


@strawberry.input(description="Hours of a day of the week.")
class WeeklyHoursInput:
    weekday: Weekday = strawberry.field(description="The day of the week.")
    opens: str = strawberry.field(description="When the hours begin, such as 09:00.")
    closes: str = strawberry.field(
        description="When the hours end, such as 18:00; 24:00 for the end of the day."
    )


@strawberry.input(description="The calendar to create.")
class CalendarCreateInput:
    name: str = strawberry.field(description=_NAME)
    time_zone: str = strawberry.field(default="Europe/Paris", description=_TIME_ZONE)
    weekly_hours: list[WeeklyHoursInput] = strawberry.field(description=_WEEKLY_HOURS)
    holidays: HolidayCalendar = strawberry.field(
        default=HolidayCalendar.FRANCE, description=_HOLIDAYS
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The calendar to change. Omitted fields keep their values.")
class CalendarUpdateInput:
    calendar_id: strawberry.ID = strawberry.field(description=_CALENDAR_ID)
    name: str | None = strawberry.field(default=None, description=_NAME)
    time_zone: str | None = strawberry.field(default=None, description=_TIME_ZONE)
    weekly_hours: list[WeeklyHoursInput] | None = strawberry.field(
        default=None, description=_WEEKLY_HOURS
    )
    holidays: HolidayCalendar | None = strawberry.field(default=None, description=_HOLIDAYS)


@strawberry.input(description="The calendar to make the default.")
class CalendarSetDefaultInput:
    calendar_id: strawberry.ID = strawberry.field(description=_CALENDAR_ID)


@strawberry.input(description="A time during which a calendar is closed.")
class ClosureAddInput:
    calendar_id: strawberry.ID = strawberry.field(description=_CALENDAR_ID)
    starts_at: datetime = strawberry.field(description="When the closure begins.")
    ends_at: datetime = strawberry.field(
        description="When the calendar opens again according to its hours: at most 400 days after "
        "`startsAt`."
    )
    reason: str = strawberry.field(
        description="The reason, which staff see (at most 200 characters)."
    )
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The closure to remove.")
class ClosureRemoveInput:
    closure_id: strawberry.ID = strawberry.field(description="The ID of a closure.")
