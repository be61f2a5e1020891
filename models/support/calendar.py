"""Calendars: the weekly hours, public holidays and closures of those who answer customers."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.database.reading import read
from models.identity.user import Staff
from models.support.opening_hours import HolidayCalendar, OpeningHours

if TYPE_CHECKING:
    from models.viewer import Viewer

CALENDAR_NAME_LENGTH = 100
CLOSURE_REASON_LENGTH = 200


class Calendar(Model):
    """A calendar. `week` holds the hours of each day from Monday on, in minutes since midnight in
    `time_zone`. One calendar is the default; migration 0042 creates it. `changed_at` is set until
    the SLA clocks that use the calendar are rescheduled.
    """

    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(max_length=CALENDAR_NAME_LENGTH)
    time_zone = fields.CharField(max_length=64)
    week: list[list[list[int]]] = fields.JSONField()
    holidays = fields.CharEnumField(HolidayCalendar, max_length=16, description="holidays")
    is_default = fields.BooleanField(default=False)
    created_at: datetime = fields.DatetimeField()
    changed_at: datetime | None = fields.DatetimeField(null=True)

    closures: fields.ReverseRelation["Closure"]

    class Meta:
        table = "calendar"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Calendar"]:
        """Those who answer customers, and operators, see calendars."""
        return QuerySet(cls) if _may_see(viewer) else cls.filter(id=None)

    def hours(self, closures: "Sequence[Closure]") -> OpeningHours:
        """When the calendar is open, with these closures."""
        return OpeningHours(
            ZoneInfo(self.time_zone),
            tuple(tuple((opens, closes) for opens, closes in day) for day in self.week),
            self.holidays,
            tuple((closure.starts_at, closure.ends_at) for closure in closures),
        )


class Closure(Model):
    """A time during which a calendar is closed although its weekly hours say otherwise."""

    id = fields.BigIntField(primary_key=True)
    calendar: fields.ForeignKeyRelation[Calendar] = fields.ForeignKeyField(
        "models.Calendar", related_name="closures", db_index=True
    )
    starts_at: datetime = fields.DatetimeField()
    ends_at: datetime = fields.DatetimeField()
    reason = fields.CharField(max_length=CLOSURE_REASON_LENGTH)
    created_at: datetime = fields.DatetimeField()

    calendar_id: int

    class Meta:
        table = "closure"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Closure"]:
        """Those who see calendars see their closures."""
        return QuerySet(cls) if _may_see(viewer) else cls.filter(id=None)


def _may_see(viewer: "Viewer") -> bool:
    return viewer.is_agent or viewer.staff is Staff.OPERATOR


async def default_calendar() -> Calendar:
    """The default calendar."""
    (calendar,) = await read(Calendar.filter(is_default=True))
    return calendar


async def default_hours() -> OpeningHours:
    """The opening hours of the default calendar."""
    return await hours_of(await default_calendar())


async def hours_of(calendar: Calendar) -> OpeningHours:
    """The opening hours of a calendar."""
    return calendar.hours(await read(Closure.filter(calendar_id=calendar.pk)))
