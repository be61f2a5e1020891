"""The register of incidents: suspected and confirmed breaches of personal data, with their 72-hour
deadline and everything that was decided and done about them (GDPR, Article 33).
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.action import Transaction
from models.clock import PARIS
from models.errors import CommonErrorCode, Refusal
from models.identity.user import Staff
from models.translations import _, _p

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.identity.user import User
    from models.support.ticket import Ticket
    from models.viewer import Viewer

NOTIFICATION_PERIOD = timedelta(hours=72)  # GDPR, Article 33(1)
# How long before the deadline the security team is reminded: 24, 48, 66 and 71 hours after it
# became aware, and when the deadline passes.
REMINDERS = (
    timedelta(hours=48),
    timedelta(hours=24),
    timedelta(hours=6),
    timedelta(hours=1),
    timedelta(),
)
TEXT_LENGTH = 4_000


class IncidentStatus(StrEnum):
    """The status of an incident."""

    REPORTED = "REPORTED"
    ASSESSING = "ASSESSING"
    CONFIRMED = "CONFIRMED"
    DISMISSED = "DISMISSED"
    CLOSED = "CLOSED"


FINISHED_STATUSES = (IncidentStatus.DISMISSED, IncidentStatus.CLOSED)
TRANSITIONS: dict[IncidentStatus, set[IncidentStatus]] = {
    IncidentStatus.REPORTED: {
        IncidentStatus.ASSESSING,
        IncidentStatus.CONFIRMED,
        IncidentStatus.DISMISSED,
    },
    IncidentStatus.ASSESSING: {IncidentStatus.CONFIRMED, IncidentStatus.DISMISSED},
    IncidentStatus.CONFIRMED: {IncidentStatus.CLOSED},
    IncidentStatus.DISMISSED: {IncidentStatus.ASSESSING},
    IncidentStatus.CLOSED: {IncidentStatus.ASSESSING},
}
_LABELS = {
    IncidentStatus.REPORTED: _p("incident status", "reported"),
    IncidentStatus.ASSESSING: _p("incident status", "being assessed"),
    IncidentStatus.CONFIRMED: _p("incident status", "confirmed"),
    IncidentStatus.DISMISSED: _p("incident status", "dismissed"),
    IncidentStatus.CLOSED: _p("incident status", "closed"),
}


class IncidentSeverity(StrEnum):
    """The risk of an incident to the people whose data it concerns."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class IncidentAudience(StrEnum):
    """Who may have to be notified of a breach."""

    AUTHORITY = "AUTHORITY"
    PEOPLE = "PEOPLE"

    @property
    def prefix(self) -> str:
        """The prefix of the columns about this audience."""
        return self.value.lower()


class IncidentEntryKind(StrEnum):
    """What an entry of the register records."""

    REPORTED = "REPORTED"
    STATUS_CHANGED = "STATUS_CHANGED"
    UPDATED = "UPDATED"
    NOTE = "NOTE"
    DECIDED = "DECIDED"
    NOTIFIED = "NOTIFIED"


class Incident(Model):
    """One incident. `aware_at` starts the 72 hours. A decision whether to notify the authority or
    the people concerned is null until it is made. `reporter` is null when somebody reported the
    incident who wasn't signed in.
    """

    id = fields.BigIntField(primary_key=True)
    reporter: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    account: fields.ForeignKeyNullableRelation["Account"] = fields.ForeignKeyField(
        "models.Account", null=True, related_name=False, on_delete=fields.RESTRICT
    )
    ticket: fields.ForeignKeyNullableRelation["Ticket"] = fields.ForeignKeyField(
        "models.Ticket", null=True, related_name=False, db_index=True, on_delete=fields.RESTRICT
    )
    reporter_name = fields.CharField(max_length=100, default="")
    reporter_email = fields.CharField(max_length=254, default="")
    description = fields.TextField()
    noticed_at: datetime | None = fields.DatetimeField(null=True)
    reported_at: datetime = fields.DatetimeField()
    aware_at: datetime = fields.DatetimeField()
    deadline_at: datetime = fields.DatetimeField(db_index=True)
    reminder_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    status = fields.CharEnumField(IncidentStatus, max_length=9, default=IncidentStatus.REPORTED)
    severity: Any = fields.CharEnumField(IncidentSeverity, max_length=6, null=True)
    data_categories = fields.TextField(default="")
    people_count: int | None = fields.IntField(null=True)
    record_count: int | None = fields.IntField(null=True)
    consequences = fields.TextField(default="")
    measures = fields.TextField(default="")
    authority_required: Any = fields.BooleanField(null=True)
    authority_reason = fields.TextField(default="")
    authority_notified_at: datetime | None = fields.DatetimeField(null=True)
    authority_reference = fields.CharField(max_length=100, default="")
    authority_delay_reason = fields.TextField(default="")
    people_required: Any = fields.BooleanField(null=True)
    people_reason = fields.TextField(default="")
    people_notified_at: datetime | None = fields.DatetimeField(null=True)
    closed_at: datetime | None = fields.DatetimeField(null=True)
    # when the webhook of the security team is called next, null when that is done or not configured
    webhook_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    webhook_attempts = fields.IntField(default=0)

    reporter_id: int | None
    account_id: int | None
    ticket_id: int | None

    class Meta:
        table = "incident"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Incident"]:
        """Operators see all incidents."""
        return QuerySet(cls) if viewer.staff is Staff.OPERATOR else cls.filter(id=None)

    @property
    def number(self) -> str:
        """The number shown to people, such as INC-2026-000012."""
        return f"INC-{self.reported_at.astimezone(PARIS).year}-{self.pk:06d}"

    @property
    def is_finished(self) -> bool:
        """Whether the incident was dismissed or closed."""
        return self.status in FINISHED_STATUSES

    def set_aware_at(self, aware_at: datetime, now: datetime) -> None:
        """Start the 72 hours at another time."""
        self.aware_at = aware_at
        self.deadline_at = aware_at + NOTIFICATION_PERIOD
        self.reminder_at = next_reminder(self.deadline_at, now)

    @property
    def awaits_notification(self) -> bool:
        """Whether the authority may still have to be notified."""
        is_notified = self.authority_notified_at is not None
        return not self.is_finished and self.authority_required is not False and not is_notified

    def require_transition(self, status: IncidentStatus) -> None:
        """Raise TRANSITION_ILLEGAL, with the statuses that are possible, unless this status is one
        of them.
        """
        if status in TRANSITIONS[self.status]:
            return
        raise Refusal(
            CommonErrorCode.TRANSITION_ILLEGAL,
            "input",
            "status",
            message=_("This incident is %(status)s. It can only become %(legal)s."),
            status=_LABELS[self.status],
            legal=[_LABELS[each] for each in IncidentStatus if each in TRANSITIONS[self.status]],
        )

    async def add_entry(
        self, tx: Transaction, kind: IncidentEntryKind, text: str = "", **details: Any
    ) -> "IncidentEntry":
        """Record what happened in the register."""
        return await IncidentEntry.create(
            using_db=tx.db,
            incident_id=self.pk,
            at=tx.action.at,
            actor_id=tx.action.actor.pk if tx.action.actor else None,
            kind=kind,
            text=text,
            details=details,
        )


class IncidentEntry(Model):
    """An entry of the register, which is never changed or deleted. `details` holds the changed
    values by the names of the API.
    """

    id = fields.BigIntField(primary_key=True)
    incident: fields.ForeignKeyRelation[Incident] = fields.ForeignKeyField(
        "models.Incident", related_name="entries", on_delete=fields.RESTRICT
    )
    at: datetime = fields.DatetimeField()
    actor: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.RESTRICT
    )
    kind = fields.CharEnumField(IncidentEntryKind, max_length=14)
    text = fields.TextField(default="")
    details: dict[str, Any] = fields.JSONField(default=dict)

    incident_id: int
    actor_id: int | None

    class Meta:
        table = "incident_entry"


def next_reminder(deadline_at: datetime, after: datetime) -> datetime | None:
    """When the security team is reminded next, None when there is no more reminder."""
    times = [deadline_at - time_left for time_left in REMINDERS]
    return min((time.astimezone(UTC) for time in times if time > after), default=None)
