"""One clock for everything dated, handed down from the app: tests and demonstrations can move it."""

from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")


class Clock(Protocol):
    """Tells the time, always in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's time, shifted by an offset that only grows: what was dated stays in order."""

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self.offset = offset

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def advance(self, by: timedelta) -> None:
        """Move every later reading forward by `by`. Raises ValueError for a step back."""
        if by < timedelta():
            raise ValueError("the clock only moves forward")
        self.offset += by


def local_date(at: datetime) -> date:
    """The calendar day in Europe/Paris, on which bills and statistics are dated."""
    return at.astimezone(PARIS).date()
