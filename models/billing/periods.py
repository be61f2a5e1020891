"""When a purchase renews: on the anniversaries of its anchor.

Period n starts n intervals after the anchor, on the same day or the last one of a shorter month. It
is counted from the anchor, not from the previous period: 31 January is followed by 28 February and
31 March. Periods are half-open, without gaps or overlaps.
"""

from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import date


@dataclass(frozen=True)
class Period:
    """Days from `start` up to, not including, `end`. `whole_days` is the length of a whole period
    that starts on that day, for one that is shorter.
    """

    index: int
    start: date
    end: date
    whole_days: int | None = None

    @property
    def days(self) -> int:
        """The number of days that the price of the interval covers."""
        return self.whole_days or (self.end - self.start).days

    def shortened(self, months: int) -> "Period":
        """The same days as a part of a whole period of this many months."""
        whole_days = (months_after(self.start, months) - self.start).days
        return replace(self, whole_days=whole_days)


@dataclass(frozen=True)
class Schedule:
    """How the periods of a purchase are counted: period `base_index` starts `base_months` after the
    anchor, and each further one `months` later.

    A change of the interval moves the base and keeps the anchor, so that a purchase of 31 January
    that changes on 28 February renews on the 31st again.
    """

    anchor: date
    months: int
    base_index: int = 0
    base_months: int = 0

    def months_until(self, index: int) -> int:
        """The months from the anchor to the start of a period."""
        return self.base_months + self.months * (index - self.base_index)

    def start(self, index: int) -> date:
        """The first day of a period from `base_index` on."""
        return months_after(self.anchor, self.months_until(index))

    def period(self, index: int) -> Period:
        """A period from `base_index` on."""
        return Period(index, self.start(index), self.start(index + 1))

    def period_at(self, day: date) -> Period:
        """The period that contains `day`. Raises ValueError when it is before the base."""
        if day < self.start(self.base_index):
            raise ValueError("the day is before the anchor, or before a change of the interval")
        months = (day.year - self.anchor.year) * 12 + day.month - self.anchor.month
        index = self.base_index + (months - self.base_months) // self.months
        candidate = self.period(index)
        return candidate if candidate.start <= day else self.period(index - 1)


def period(anchor: date, months: int, index: int) -> Period:
    """Period `index` (0 for the first) of a purchase anchored at `anchor` that renews every
    `months` months.
    """
    return Schedule(anchor, months).period(index)


def period_at(anchor: date, months: int, day: date) -> Period:
    """The period that contains `day`. Raises ValueError when it is before the anchor."""
    return Schedule(anchor, months).period_at(day)


def months_after(anchor: date, months: int) -> date:
    """The anchor's day `months` months later, or that month's last day when the month is too
    short.
    """
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    return date(year, month + 1, min(anchor.day, monthrange(year, month + 1)[1]))
