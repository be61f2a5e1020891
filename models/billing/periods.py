"""When a purchase renews: the anniversary rule.

Period n starts n intervals after the anchor, the day clamped to the month's end and always counted from the anchor, never from
the period before: from 31 January come 28 February and then 31 March. Periods are half-open, so they tile time.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Period:
    """Days from `start` up to, not including, `end`."""

    index: int
    start: date
    end: date


def period(anchor: date, months: int, index: int) -> Period:
    """Period `index` (0 for the first) of a purchase anchored at `anchor` that renews every `months` months."""
    return Period(index, months_after(anchor, months * index), months_after(anchor, months * (index + 1)))


def period_at(anchor: date, months: int, day: date) -> Period:
    """The period that contains `day`, which must not lie before the anchor (ValueError)."""
    if day < anchor:
        raise ValueError("the day lies before the anchor")
    index = ((day.year - anchor.year) * 12 + day.month - anchor.month) // months
    found = period(anchor, months, index)
    return found if found.start <= day else period(anchor, months, index - 1)


def months_after(anchor: date, months: int) -> date:
    """The anchor's day `months` months later, or that month's last day where it has no such day."""
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    return date(year, month + 1, min(anchor.day, monthrange(year, month + 1)[1]))
