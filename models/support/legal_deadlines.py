"""The deadlines that the law sets for tickets, and when the operators are reminded of them."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

from models.billing.periods import months_after
from models.clock import PARIS, local_date
from models.support.classification import Category, TicketKind


def _within_a_month(at: datetime) -> datetime:
    """The start of the same day of the next month, in Paris."""
    return datetime.combine(months_after(local_date(at), 1), time(), PARIS).astimezone(UTC)


def _within_72_hours(at: datetime) -> datetime:
    return at + timedelta(hours=72)


# The legal requests, each with the deadline that follows from when it was made. A kind or
# category listed here gets a deadline that never changes, appears in `legalRequests`, and can be
# closed only by those whose request it is, or by staff with a reason.
LEGAL_DEADLINES: dict[TicketKind | Category, Callable[[datetime], datetime]] = {
    TicketKind.ACCOUNT_DEACTIVATION: _within_a_month,  # GDPR, Articles 12(3) and 18
    TicketKind.ACCOUNT_REACTIVATION: _within_a_month,  # GDPR, Articles 12(3) and 15
    TicketKind.ACCOUNT_DELETION: _within_a_month,  # GDPR, Articles 12(3) and 17
    Category.SECURITY: _within_72_hours,  # it may report a breach: GDPR, Article 33(1)
}


def legal_deadline(kind: TicketKind, category: Category, at: datetime) -> datetime | None:
    """By when a request made at this time has to be answered, None when the law sets no
    deadline.
    """
    deadlines = [LEGAL_DEADLINES[key](at) for key in (kind, category) if key in LEGAL_DEADLINES]
    return min(deadlines, default=None)


# How long before the deadline the operators are reminded of a request that nobody has answered yet.
DEADLINE_REMINDERS = (timedelta(days=7), timedelta(days=1))


def next_deadline_reminder(deadline_at: datetime, after: datetime) -> datetime | None:
    """When the operators are reminded of a deadline next, None when there is no more reminder."""
    times = [deadline_at - time_left for time_left in DEADLINE_REMINDERS]
    return min((time for time in times if time > after), default=None)
