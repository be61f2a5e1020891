"""When the answer to a saved query is sent by email, and to whom."""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.expressions import Q
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.analytics.saved_query import SavedQuery
from models.clock import PARIS, local_date
from models.identity.user import Staff, User

if TYPE_CHECKING:
    from models.viewer import Viewer

_DAY = timedelta(days=1)


class QueryFrequency(StrEnum):
    """How often an email is sent."""

    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"


class QueryScheduleEnd(StrEnum):
    """Why nothing is sent any more."""

    RECIPIENT_LEFT = "RECIPIENT_LEFT"
    OWNER_LEFT = "OWNER_LEFT"
    QUERY_NOT_SHARED = "QUERY_NOT_SHARED"
    QUERY_DELETED = "QUERY_DELETED"
    FAILING = "FAILING"


class QuerySchedule(Model):
    """The answer to a saved query, sent to an analyst at an hour in Europe/Paris: every day, on the
    `weekday` (1 is Monday) of each week, or on the `day` of each month, in shorter ones on the last
    day.

    `next_due_at` is null once nothing is sent any more. Until `claimed_until` one worker computes
    the answer. `failures` counts those in a row.
    """

    id = fields.BigIntField(primary_key=True)
    saved_query: fields.ForeignKeyRelation[SavedQuery] = fields.ForeignKeyField(
        "models.SavedQuery", related_name=False, db_index=True
    )
    owner: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name=False, db_index=True
    )
    recipient: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name=False, db_index=True
    )
    frequency = fields.CharEnumField(QueryFrequency, max_length=7)
    hour = fields.SmallIntField()
    weekday: int | None = fields.SmallIntField(null=True)
    day: int | None = fields.SmallIntField(null=True)
    next_due_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    claimed_until: datetime | None = fields.DatetimeField(null=True)
    failures = fields.SmallIntField(default=0)
    last_sent_at: datetime | None = fields.DatetimeField(null=True)
    ended_at: datetime | None = fields.DatetimeField(null=True)
    end_reason: Any = fields.CharEnumField(QueryScheduleEnd, max_length=16, null=True)
    created_at: datetime = fields.DatetimeField()

    saved_query_id: int
    owner_id: int
    recipient_id: int

    class Meta:
        table = "query_schedule"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["QuerySchedule"]:
        """Analysts see what they send and what they receive."""
        if viewer.staff is not Staff.ANALYST:
            return cls.filter(id=None)
        return cls.filter(Q(owner_id=viewer.user_id) | Q(recipient_id=viewer.user_id))

    def due_after(self, at: datetime) -> datetime:
        """The first due time after a time."""
        day = local_date(at)
        while not (self._is_on(day) and self._due_on(day) > at):
            day += _DAY
        return self._due_on(day)

    def due_until(self, at: datetime) -> datetime:
        """The last due time until a time."""
        day = local_date(at)
        while not (self._is_on(day) and self._due_on(day) <= at):
            day -= _DAY
        return self._due_on(day)

    def _is_on(self, day: date) -> bool:
        match self.frequency:
            case QueryFrequency.WEEKLY:
                return day.isoweekday() == self.weekday
            case QueryFrequency.MONTHLY:
                return day.day == min(self.day or 1, monthrange(day.year, day.month)[1])
        return True

    def _due_on(self, day: date) -> datetime:
        # An hour that the clocks skip begins when they skip it; of one that they repeat, the first
        # counts.
        at = datetime.combine(day, time(self.hour), PARIS)
        return datetime.fromtimestamp(at.timestamp(), UTC)
