"""Opening hours as text, such as “Monday to Friday, 9:00 to 18:00 Paris time”."""

from itertools import groupby

from babel.dates import get_day_names, get_timezone_location
from babel.lists import format_list

from models.locale import Locale
from models.support.opening_hours import MINUTES_PER_DAY, DayHours, HolidayCalendar, OpeningHours
from models.translations import _, text

_ALL_DAY = ((0, MINUTES_PER_DAY),)
_HOLIDAYS = {
    HolidayCalendar.FRANCE: _("%(hours)s, except French public holidays"),
    HolidayCalendar.ALSACE_MOSELLE: _("%(hours)s, except public holidays in Alsace and Moselle"),
}


def hours_text(hours: OpeningHours, locale: Locale) -> str:
    """The weekly hours, their time zone, and on which holidays they don't apply."""
    groups = _days_with_same_hours(hours)
    if not groups:
        return text(_("closed"), locale)
    days = [_days_text(days, hours.week[days[0]], locale) for days in groups]
    week = days[0]
    for later in days[1:]:
        week = text(_("%(hours)s; %(later)s"), locale, hours=week, later=later)
    week = _in_zone(week, hours, locale)
    if hours.holidays not in _HOLIDAYS:
        return week
    return text(_HOLIDAYS[hours.holidays], locale, hours=week)


def _days_with_same_hours(hours: OpeningHours) -> list[list[int]]:
    """The open days of the week, grouped with those that follow and have the same hours."""
    groups = (list(days) for _hours, days in groupby(range(7), hours.week.__getitem__))
    return [days for days in groups if hours.week[days[0]]]


def _days_text(days: list[int], hours: DayHours, locale: Locale) -> str:
    names = get_day_names("wide", locale=locale.value)
    values = {"first": names[days[0]], "last": names[days[-1]], "hours": _hours_text(hours, locale)}
    if len(days) == 7:
        return text(_("every day, %(hours)s"), locale, **values)
    if len(days) == 1:
        return text(_("%(first)s, %(hours)s"), locale, **values)
    return text(_("%(first)s to %(last)s, %(hours)s"), locale, **values)


def _hours_text(hours: DayHours, locale: Locale) -> str:
    if hours == _ALL_DAY:
        return text(_("24 hours"), locale)
    spans = [
        text(
            _("%(opens)s to %(closes)s"),
            locale,
            opens=_time(opens, locale),
            closes=_time(closes, locale),
        )
        for opens, closes in hours
    ]
    return format_list(spans, "standard", locale.value)


def _time(minutes: int, locale: Locale) -> str:
    hour, minute = divmod(minutes, 60)
    if locale is Locale.EN:
        return f"{hour}:{minute:02}"
    space = "\N{NO-BREAK SPACE}"
    return f"{hour}{space}h{space}{minute:02}" if minute else f"{hour}{space}h"


def _in_zone(week: str, hours: OpeningHours, locale: Locale) -> str:
    if hours.zone.key == "Europe/Paris":
        return text(_("%(hours)s Paris time"), locale, hours=week)
    city = get_timezone_location(hours.zone, locale=locale.value, return_city=True)
    return text(_("%(hours)s (local time in %(city)s)"), locale, hours=week, city=city)
