"""Enums of calendars."""

from enum import StrEnum

from models.support.opening_hours import HolidayCalendar
from resolvers.descriptions import describe_enum


class Weekday(StrEnum):
    """A day of the week, in the order of ISO 8601."""

    MONDAY = "MONDAY"
    TUESDAY = "TUESDAY"
    WEDNESDAY = "WEDNESDAY"
    THURSDAY = "THURSDAY"
    FRIDAY = "FRIDAY"
    SATURDAY = "SATURDAY"
    SUNDAY = "SUNDAY"


WEEKDAYS = tuple(Weekday)

describe_enum(
    Weekday, "A day of the week.", {day.name: f"Every {day.name.capitalize()}." for day in Weekday}
)
describe_enum(
    HolidayCalendar,
    "The public holidays on which a calendar is closed.",
    {
        "NONE": "No public holidays: the weekly hours apply to all days.",
        "FRANCE": "The public holidays of France.",
        "ALSACE_MOSELLE": "The public holidays of France, Good Friday, and December 26, as in "
        "Alsace and Moselle.",
    },
)
