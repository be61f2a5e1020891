"""Calendars: when support is open, and what operators manage."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

from tortoise.queryset import QuerySet

from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.support.calendar import (
    CALENDAR_NAME_LENGTH,
    CLOSURE_REASON_LENGTH,
    Calendar,
    Closure,
)
from models.support.opening_hours import DayHours, Week
from models.text import client_key, line
from models.translations import _
from resolvers.context import Context, Info
from resolvers.ids import load_visible
from resolvers.paging import (
    AfterArgument,
    BeforeArgument,
    DeferredPage,
    FirstArgument,
    LastArgument,
    Order,
    PageRequest,
    page,
)
from resolvers.rows import RowsByParent
from resolvers.support.calendar_enums import WEEKDAYS, Weekday
from resolvers.support.calendar_inputs import (
    CalendarCreateInput,
    CalendarSetDefaultInput,
    CalendarUpdateInput,
    ClosureAddInput,
    ClosureRemoveInput,
    WeeklyHoursInput,
)
from support import calendars as rules
from support.calendars import CalendarValues, ClosureValues

OLDEST_FIRST = Order("created_at")
MAX_WEEKLY_HOURS = 70
MAX_CLOSURE = timedelta(days=400)
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00", re.ASCII)


def calendars(
    info: Info,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """The calendars, oldest first."""
    viewer = info.context.viewer
    request = PageRequest(first, after, last, before)
    return page(Calendar.visible_to(viewer), OLDEST_FIRST, request, viewer)


def closures(context: Context, parents: Sequence[Calendar]) -> RowsByParent:
    """The closures of each calendar, earliest first."""
    return RowsByParent(parents, QuerySet(Closure), "calendar_id", "starts_at")


@dataclass(frozen=True)
class WeeklyHours:
    """The opening hours of a day of the week."""

    weekday: Weekday
    opens: str
    closes: str


def weekly_hours(week: Week | list[list[list[int]]]) -> list[WeeklyHours]:
    """The opening hours of a week, from Monday on."""
    return [
        WeeklyHours(weekday, _time(opens), _time(closes))
        for weekday, day in zip(WEEKDAYS, week, strict=True)
        for opens, closes in day
    ]


def weekly_hours_of(root: Calendar) -> list[WeeklyHours]:
    """The weekly opening hours of a calendar."""
    return weekly_hours(root.week)


def _time(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


async def create(info: Info, input: CalendarCreateInput) -> Calendar:
    """Create a calendar."""
    with Checks() as check:
        name = check(line, input.name, "name", CALENDAR_NAME_LENGTH)
        time_zone = check(_time_zone, input.time_zone)
        week = check(_week, input.weekly_hours)
        key = check(client_key, input.idempotency_key)
    values = CalendarValues(name, time_zone, week, input.holidays)
    return await rules.create_calendar(info.context.action(), values, key)


async def update(info: Info, input: CalendarUpdateInput) -> Calendar:
    """Change a calendar."""
    with Checks() as check:
        calendar = await check.wait(_calendar(info, input.calendar_id))
        values: dict[str, Any] = {}
        if input.name is not None:
            values["name"] = check(line, input.name, "name", CALENDAR_NAME_LENGTH)
        if input.time_zone is not None:
            values["time_zone"] = check(_time_zone, input.time_zone)
        if input.weekly_hours is not None:
            values["week"] = check(_week, input.weekly_hours)
        if input.holidays is not None:
            values["holidays"] = input.holidays
    return await rules.update_calendar(info.context.action(), calendar, values)


async def set_default(info: Info, input: CalendarSetDefaultInput) -> Calendar:
    """Make a calendar the default."""
    calendar = await _calendar(info, input.calendar_id)
    return await rules.set_default_calendar(info.context.action(), calendar)


async def add_closure(info: Info, input: ClosureAddInput) -> dict[str, Any]:
    """Close a calendar for some time."""
    with Checks() as check:
        calendar = await check.wait(_calendar(info, input.calendar_id))
        check(_require_order, input.starts_at, input.ends_at)
        reason = check(line, input.reason, "reason", CLOSURE_REASON_LENGTH)
        key = check(client_key, input.idempotency_key)
    values = ClosureValues(input.starts_at, input.ends_at, reason)
    closure = await rules.add_closure(info.context.action(), calendar, values, key)
    return {"closure": closure, "calendar": calendar}


async def remove_closure(info: Info, input: ClosureRemoveInput) -> Calendar:
    """Remove a closure."""
    viewer = info.context.viewer
    closure = await load_visible(Closure, input.closure_id, viewer, "closureId")
    return await rules.remove_closure(info.context.action(), closure)


async def _calendar(info: Info, calendar_id: str) -> Calendar:
    return await load_visible(Calendar, calendar_id, info.context.viewer, "calendarId")


def _time_zone(name: str) -> str:
    if name not in available_timezones():
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "timeZone")
    return name


def _require_order(starts_at: datetime, ends_at: datetime) -> None:
    if not timedelta() < ends_at - starts_at <= MAX_CLOSURE:
        message = _("Choose an end that is later than the beginning, by at most 400 days.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "endsAt", message=message)


def _week(inputs: list[WeeklyHoursInput]) -> Week:
    if len(inputs) > MAX_WEEKLY_HOURS:
        message = _("Enter at most %(limit)s.")
        raise Refusal(
            CommonErrorCode.TOO_MANY,
            "input",
            "weeklyHours",
            message=message,
            limit=MAX_WEEKLY_HOURS,
        )
    with Checks() as check:
        hours = [check(_hours, index, each) for index, each in enumerate(inputs)]
    return tuple(_day([span for weekday, span in hours if weekday is day]) for day in WEEKDAYS)


def _hours(index: int, input: WeeklyHoursInput) -> tuple[Weekday, tuple[int, int]]:
    field = ("input", "weeklyHours", str(index))
    with Checks() as check:
        opens = check(_minutes, input.opens, *field, "opens")
        closes = check(_minutes, input.closes, *field, "closes")
        if check.is_valid and opens >= closes:
            raise Refusal(CommonErrorCode.VALUE_INVALID, *field, "closes")
    return input.weekday, (opens, closes)


def _minutes(text: str, *field: str) -> int:
    if not _TIME.fullmatch(text):
        raise Refusal(CommonErrorCode.VALUE_INVALID, *field)
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


def _day(spans: list[tuple[int, int]]) -> DayHours:
    """The hours of a day in order, with adjacent ones merged. Raises VALUE_INVALID if some
    overlap.
    """
    day: list[tuple[int, int]] = []
    for opens, closes in sorted(spans):
        if day and opens < day[-1][1]:
            message = _("The hours of a day can’t overlap.")
            raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "weeklyHours", message=message)
        if day and opens == day[-1][1]:
            opens = day.pop()[0]
        day.append((opens, closes))
    return tuple(day)
