"""Automations: when something happens in a ticket that meets conditions, the system acts.

- `Automation` is one of them, with its place in their order. `AutomationVersion` is its content:
  each change creates a version, which the log names.
- `AutomationCursor` says up to which event a ticket's stream was handled. `AutomationTimer` is an
  event for which an automation acts later.
- `AutomationRun` is the log: each row says that an automation acted, or was refused. Its key
  (automation, ticket, root) makes an automation act only once for what happened.

The root of an event is what a person or time caused: `event:7` is event 7 of the ticket's stream,
`clock:3` an SLA clock. What an automation does has the same root as the event it acted on, so a
chain of automations contains each of them at most once, and ends. `depth` is the place in the
chain.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.expressions import Q
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.identity.user import Staff, User
from models.support.message import Message
from models.support.note import Note
from models.support.ticket import Ticket
from models.support.ticket_actions import TicketActions

if TYPE_CHECKING:
    from models.viewer import Viewer

AUTOMATION_NAME_LENGTH = 60
ROOT_LENGTH = 32
ERROR_LENGTH = 60


class AutomationEvent(StrEnum):
    """The event on which an automation acts."""

    TICKET_OPENED = "TICKET_OPENED"
    CUSTOMER_REPLIED = "CUSTOMER_REPLIED"
    AGENT_REPLIED = "AGENT_REPLIED"
    STATUS_CHANGED = "STATUS_CHANGED"
    TICKET_ASSIGNED = "TICKET_ASSIGNED"
    SLA_WARNING = "SLA_WARNING"
    SLA_BREACHED = "SLA_BREACHED"


SLA_EVENTS = (AutomationEvent.SLA_WARNING, AutomationEvent.SLA_BREACHED)


class ConditionMatch(StrEnum):
    """Whether all conditions have to be met, or any of them."""

    ALL = "ALL"
    ANY = "ANY"


class Automation(Model):
    """An automation. It acts while it is enabled, on events from `enabled_at` on. Automations with
    a lower position act first. `unique_name` is the name without regard to case; once archived, it
    is a value of its own, so that the name can be used again.
    """

    id = fields.BigIntField(primary_key=True)
    name = fields.CharField(max_length=AUTOMATION_NAME_LENGTH)
    unique_name = fields.CharField(max_length=2 * AUTOMATION_NAME_LENGTH, unique=True)
    position = fields.IntField()
    version_number = fields.IntField(default=1)
    enabled_at: datetime | None = fields.DatetimeField(null=True)
    created_at: datetime = fields.DatetimeField()
    updated_at: datetime = fields.DatetimeField()
    archived_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "automation"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Automation"]:
        """Agents see automations, supervisors and operators manage them."""
        is_staff = viewer.is_agent or viewer.staff is Staff.OPERATOR
        return QuerySet(cls) if is_staff else cls.filter(id=None)


class AutomationVersion(Model):
    """The content of an automation. The conditions have the accepted values by name, and leave out
    what doesn't matter; if one of `exceptions` is met, the automation doesn't act.
    """

    id = fields.BigIntField(primary_key=True)
    automation: fields.ForeignKeyRelation[Automation] = fields.ForeignKeyField(
        "models.Automation", related_name=False
    )
    number = fields.IntField()
    event = fields.CharEnumField(AutomationEvent, max_length=16, description="event")
    delay_minutes: int | None = fields.IntField(null=True)
    is_delay_business_time = fields.BooleanField(default=False)
    match = fields.CharEnumField(ConditionMatch, max_length=3, description="match")
    conditions: dict[str, Any] = fields.JSONField(default=dict)
    exceptions: dict[str, Any] = fields.JSONField(default=dict)
    actions: dict[str, Any] = fields.JSONField(default=dict)
    author: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    created_at: datetime = fields.DatetimeField()

    automation_id: int
    author_id: int | None

    class Meta:
        table = "automation_version"
        unique_together = (("automation", "number"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["AutomationVersion"]:
        """Those who see an automation see its versions."""
        is_staff = viewer.is_agent or viewer.staff is Staff.OPERATOR
        return QuerySet(cls) if is_staff else cls.filter(id=None)

    @property
    def ticket_actions(self) -> TicketActions:
        """What the automation does."""
        return TicketActions.from_json(self.actions)

    @property
    def delay(self) -> timedelta | None:
        """How long after the event it acts, None for immediately."""
        return None if self.delay_minutes is None else timedelta(minutes=self.delay_minutes)

    def has_same_trigger(self, other: "AutomationVersion") -> bool:
        """Whether two versions act on the same events after the same delay."""
        return (self.event, self.delay_minutes, self.is_delay_business_time) == (
            other.event,
            other.delay_minutes,
            other.is_delay_business_time,
        )


class AutomationRun(Model):
    """A run of an automation on a ticket. When it was refused (`is_refused`, null in rows of an
    older release), `refusals` says which of its actions weren't possible, and nothing was done.
    Otherwise what it did is recorded by the events of the ticket's stream from `first_sequence` to
    `last_sequence`.
    """

    id = fields.BigIntField(primary_key=True)
    automation: fields.ForeignKeyRelation[Automation] = fields.ForeignKeyField(
        "models.Automation", related_name=False, on_delete=fields.RESTRICT
    )
    version: fields.ForeignKeyRelation[AutomationVersion] = fields.ForeignKeyField(
        "models.AutomationVersion", related_name=False, on_delete=fields.RESTRICT
    )
    ticket: fields.ForeignKeyRelation[Ticket] = fields.ForeignKeyField(
        "models.Ticket", related_name=False
    )
    event = fields.CharEnumField(AutomationEvent, max_length=16, description="event")
    root = fields.CharField(max_length=ROOT_LENGTH)
    depth = fields.IntField(default=0)
    happened_at: datetime = fields.DatetimeField()
    at: datetime = fields.DatetimeField()
    first_sequence = fields.BigIntField()
    last_sequence = fields.BigIntField()
    kinds: list[str] = fields.JSONField(default=list)
    refusals: list[dict[str, str]] = fields.JSONField(default=list)
    is_refused = fields.BooleanField(null=True)
    message: fields.ForeignKeyNullableRelation[Message] = fields.ForeignKeyField(
        "models.Message", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    note: fields.ForeignKeyNullableRelation[Note] = fields.ForeignKeyField(
        "models.Note", null=True, related_name=False, on_delete=fields.SET_NULL
    )

    automation_id: int
    version_id: int
    ticket_id: int
    message_id: int | None
    note_id: int | None

    class Meta:
        table = "automation_run"
        unique_together = (("ticket", "automation", "root"),)
        indexes = (("automation_id", "id"), ("automation_id", "is_refused", "id"))

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["AutomationRun"]:
        """Those who answer customers see runs."""
        return QuerySet(cls) if viewer.is_agent else cls.filter(id=None)

    @classmethod
    def by_refusal(cls, *, refused: bool) -> Q:
        """Matches the runs that were refused, or all others."""
        unmarked = Q(refusals=[])
        return Q(is_refused=refused) | Q(is_refused=None) & (~unmarked if refused else unmarked)


class AutomationTimer(Model):
    """An event for which an automation acts at `due_at`, if nothing has made it obsolete. After a
    failure it is tried again: `attempts` counts the failures, and `error` is the type of the last
    one.
    """

    id = fields.BigIntField(primary_key=True)
    automation: fields.ForeignKeyRelation[Automation] = fields.ForeignKeyField(
        "models.Automation", related_name=False
    )
    version: fields.ForeignKeyRelation[AutomationVersion] = fields.ForeignKeyField(
        "models.AutomationVersion", related_name=False
    )
    ticket: fields.ForeignKeyRelation[Ticket] = fields.ForeignKeyField(
        "models.Ticket", related_name=False
    )
    sequence = fields.BigIntField(default=0)
    root = fields.CharField(max_length=ROOT_LENGTH)
    depth = fields.IntField(default=0)
    happened_at: datetime = fields.DatetimeField()
    due_at: datetime = fields.DatetimeField(db_index=True)
    attempts = fields.IntField(default=0, db_default=0)
    error: Any = fields.CharField(max_length=ERROR_LENGTH, null=True)

    automation_id: int
    version_id: int
    ticket_id: int

    class Meta:
        table = "automation_timer"
        unique_together = (("ticket", "automation", "root", "sequence"),)


class AutomationCursor(Model):
    """The last event of its stream up to which automations have handled a ticket."""

    id = fields.BigIntField(primary_key=True)
    ticket: fields.OneToOneRelation[Ticket] = fields.OneToOneField(
        "models.Ticket", related_name=False
    )
    sequence = fields.BigIntField()

    ticket_id: int

    class Meta:
        table = "automation_cursor"


class AutomationScan(Model):
    """The time from which the job searches for changed tickets, in a single row."""

    id = fields.IntField(primary_key=True)
    since: datetime = fields.DatetimeField()

    class Meta:
        table = "automation_scan"
