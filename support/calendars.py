"""What operators do with calendars and their closures. When a calendar changes, the SLA clocks that
use it are rescheduled by their job.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from models.action import Action, Transaction
from models.idempotency import earlier_result, owner_of, store_result
from models.support.audit_actions import SupportAuditAction
from models.support.calendar import Calendar, Closure
from models.support.opening_hours import HolidayCalendar, Week


@dataclass(frozen=True)
class CalendarValues:
    """The columns of a calendar."""

    name: str
    time_zone: str
    week: Week
    holidays: HolidayCalendar


@dataclass(frozen=True)
class ClosureValues:
    """The columns of a closure."""

    starts_at: datetime
    ends_at: datetime
    reason: str


async def create_calendar(action: Action, values: CalendarValues, key: str) -> Calendar:
    """Create a calendar that isn't the default. The same key with the same values returns the same
    one. Raises IDEMPOTENCY_MISMATCH.
    """
    owner = owner_of(action)
    async with action.transaction() as tx:
        if earlier_id := await earlier_result(tx, owner, "calendarCreate", key, asdict(values)):
            return await Calendar.get(pk=earlier_id, using_db=tx.db)
        calendar = await Calendar.create(using_db=tx.db, created_at=action.at, **vars(values))
        await store_result(tx, owner, "calendarCreate", key, calendar.pk)
        tx.audit(SupportAuditAction.CALENDAR_CREATE, calendar, account_id=None)
    return calendar


async def update_calendar(
    action: Action, calendar: Calendar, values: Mapping[str, Any]
) -> Calendar:
    """Change columns of a calendar (`CalendarValues`). A repeat changes nothing."""
    async with action.transaction() as tx:
        calendar = await tx.lock(Calendar, calendar.pk)
        former = dict(vars(calendar))
        calendar.update_from_dict(dict(values))
        if dict(vars(calendar)) != former:
            calendar.changed_at = action.at
            await calendar.save(using_db=tx.db)
            tx.audit(SupportAuditAction.CALENDAR_UPDATE, calendar, account_id=None)
    return calendar


async def set_default_calendar(action: Action, calendar: Calendar) -> Calendar:
    """Make a calendar the default in place of the former one. A repeat changes nothing."""
    async with action.transaction() as tx:
        calendars = {each.pk: each for each in await tx.lock_rows(Calendar.all())}
        calendar = calendars[calendar.pk]
        if not calendar.is_default:
            await Calendar.filter(is_default=True).using_db(tx.db).update(is_default=False)
            calendar.is_default = True
            await calendar.save(using_db=tx.db, update_fields=["is_default"])
            tx.audit(SupportAuditAction.CALENDAR_SET_DEFAULT, calendar, account_id=None)
    return calendar


async def add_closure(
    action: Action, calendar: Calendar, values: ClosureValues, key: str
) -> Closure:
    """Close a calendar for some time. The same key with the same values returns the same closure.
    Raises IDEMPOTENCY_MISMATCH.
    """
    owner, arguments = owner_of(action), [calendar.pk, asdict(values)]
    async with action.transaction() as tx:
        if earlier_id := await earlier_result(tx, owner, "closureAdd", key, arguments):
            return await Closure.get(pk=earlier_id, using_db=tx.db)
        calendar = await _change(tx, calendar.pk)
        closure = await Closure.create(
            using_db=tx.db, calendar=calendar, created_at=action.at, **vars(values)
        )
        await store_result(tx, owner, "closureAdd", key, closure.pk)
        tx.audit(SupportAuditAction.CLOSURE_ADD, closure, account_id=None)
    return closure


async def remove_closure(action: Action, closure: Closure) -> Calendar:
    """Remove a closure. Returns its calendar."""
    async with action.transaction() as tx:
        calendar = await _change(tx, closure.calendar_id)
        if await Closure.filter(pk=closure.pk).using_db(tx.db).delete():
            tx.audit(SupportAuditAction.CLOSURE_REMOVE, closure, account_id=None)
    return calendar


async def _change(tx: Transaction, calendar_id: int) -> Calendar:
    """Lock the calendar and record that it has changed. Returns it."""
    calendar = await tx.lock(Calendar, calendar_id)
    calendar.changed_at = tx.action.at
    await calendar.save(using_db=tx.db, update_fields=["changed_at"])
    return calendar
