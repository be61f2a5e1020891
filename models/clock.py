"""The clock from which every date comes. It is passed down from the application, so that tests and
demonstrations can advance it.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")


class Clock(Protocol):
    """Returns the current time, always in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The system time plus an offset. The offset only grows, so that dates stay in order."""

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self.offset = offset

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def advance(self, delta: timedelta) -> None:
        """Add `delta` to the offset. Raises ValueError when it is negative."""
        if delta < timedelta():
            raise ValueError("the clock only moves forward")
        self.offset += delta


def local_date(at: datetime) -> date:
    """The calendar day in Europe/Paris, by which invoices and reports are dated."""
    return at.astimezone(PARIS).date()
