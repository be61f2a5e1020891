"""The register of data requests: people who use their rights over their personal data, with the
deadline that the law sets, and what was decided and done (GDPR, Articles 12 and 15 to 21).

A request is answered within a month of its receipt, or of three months when an operator extends the
deadline within the first month and says why (Article 12(3)).
"""

from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.billing.periods import months_after
from models.clock import PARIS, local_date
from models.identity.user import Staff
from models.translations import _p

if TYPE_CHECKING:
    from models.identity.user import User
    from models.viewer import Viewer

MONTHS, EXTENDED_MONTHS = 1, 3
# How long before the deadline the operators are reminded, the last time when it passes.
REMINDERS = (timedelta(days=14), timedelta(days=7), timedelta(days=1), timedelta())


class DataRequestKind(StrEnum):
    """The right that a person uses."""

    ACCESS = "ACCESS"
    PORTABILITY = "PORTABILITY"
    RECTIFICATION = "RECTIFICATION"
    ERASURE = "ERASURE"
    RESTRICTION = "RESTRICTION"
    OBJECTION = "OBJECTION"


KIND_LABELS = {
    DataRequestKind.ACCESS: _p("data request", "Access to my data"),
    DataRequestKind.PORTABILITY: _p("data request", "A copy of my data for reuse"),
    DataRequestKind.RECTIFICATION: _p("data request", "Rectification of my data"),
    DataRequestKind.ERASURE: _p("data request", "Erasure of my data"),
    DataRequestKind.RESTRICTION: _p("data request", "Restriction of the processing of my data"),
    DataRequestKind.OBJECTION: _p("data request", "Objection to the processing of my data"),
}


class DataRequestDecision(StrEnum):
    """What was decided about a request."""

    GRANTED = "GRANTED"
    PARTLY_GRANTED = "PARTLY_GRANTED"
    REFUSED = "REFUSED"


class DataRequest(Model):
    """One request. `recorder` is the operator who recorded it for somebody who wrote or called,
    null when the person made it themselves. `carried_out_at` is when the program did what was
    asked, and `results` how many rows of each kind it changed or removed. `answer` tells the person
    what was decided and done. `reminder_at` is when the operators are reminded next, null when that
    is over.
    """

    id = fields.BigIntField(primary_key=True)
    user: fields.ForeignKeyRelation["User"] = fields.ForeignKeyField(
        "models.User", related_name=False, on_delete=fields.RESTRICT, db_index=True
    )
    recorder: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.RESTRICT
    )
    kind = fields.CharEnumField(DataRequestKind, max_length=13)
    details = fields.TextField()
    received_at: datetime = fields.DatetimeField()
    deadline_at: datetime = fields.DatetimeField(db_index=True)
    reminder_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    extended_at: datetime | None = fields.DatetimeField(null=True)
    extension_reason = fields.TextField(default="")
    decision: Any = fields.CharEnumField(DataRequestDecision, max_length=14, null=True)
    answer = fields.TextField(default="")
    carried_out_at: datetime | None = fields.DatetimeField(null=True)
    results: dict[str, int] | None = fields.JSONField(null=True)
    decided_at: datetime | None = fields.DatetimeField(null=True)
    decider: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.RESTRICT
    )

    user_id: int
    recorder_id: int | None
    decider_id: int | None

    class Meta:
        table = "data_request"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["DataRequest"]:
        """Operators see all requests, others their own only, whatever their role in a company."""
        if viewer.staff is Staff.OPERATOR:
            return QuerySet(cls)
        return cls.filter(user_id=viewer.user_id) if viewer.user else cls.filter(id=None)

    @property
    def number(self) -> str:
        """The number shown to people, such as DR-2026-000012."""
        return f"DR-{self.received_at.astimezone(PARIS).year}-{self.pk:06d}"

    def set_deadline(self, months: int, now: datetime) -> None:
        """Set the deadline to so many months after the receipt, and plan the next reminder."""
        day = months_after(local_date(self.received_at), months)
        self.deadline_at = datetime.combine(day, time(), PARIS).astimezone(UTC)
        self.plan_reminder(now)

    def plan_reminder(self, now: datetime) -> None:
        """Plan the first reminder that comes after this time."""
        times = [self.deadline_at - time_left for time_left in REMINDERS]
        self.reminder_at = min((time for time in times if time > now), default=None)
