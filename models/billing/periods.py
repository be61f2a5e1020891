"""When a purchase renews: on the anniversaries of its anchor.

Period n starts n intervals after the anchor, on the same day or the last one of a shorter month. It
is counted from the anchor, not from the previous period: 31 January is followed by 28 February and
31 March. Periods are half-open, without gaps or overlaps.
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
    """Period `index` (0 for the first) of a purchase anchored at `anchor` that renews every
    `months` months.
    """
    return Period(
        index, months_after(anchor, months * index), months_after(anchor, months * (index + 1))
    )


def period_at(anchor: date, months: int, day: date) -> Period:
    """The period that contains `day`. Raises ValueError when it is before the anchor."""
    if day < anchor:
        raise ValueError("the day is before the anchor")
    index = ((day.year - anchor.year) * 12 + day.month - anchor.month) // months
    candidate = period(anchor, months, index)
    return candidate if candidate.start <= day else period(anchor, months, index - 1)


def months_after(anchor: date, months: int) -> date:
    """The anchor's day `months` months later, or that month's last day when the month is too
    short.
    """
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    return date(year, month + 1, min(anchor.day, monthrange(year, month + 1)[1]))
