"""Phone calls with customers, logged by agents or reported by a telephone system.

A call belongs to a ticket, in which a message reports it, so it appears in the same timeline as
everything else. What agents note about it is an internal note of the ticket. A reported call by an
unknown caller waits for an agent, who links or dismisses it.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.identity.user import User
from models.support.message import Message
from models.support.note import Note
from models.support.phone_number import NUMBER_LENGTH
from models.support.ticket import Ticket

if TYPE_CHECKING:
    from models.viewer import Viewer

MAX_DURATION = timedelta(days=1)
EXTERNAL_ID_LENGTH = 120


class CallDirection(StrEnum):
    """Who called whom."""

    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"


class CallOutcome(StrEnum):
    """How a call ended."""

    ANSWERED = "ANSWERED"
    MISSED = "MISSED"
    VOICEMAIL = "VOICEMAIL"


class Call(Model):
    """A call. `number` is the customer's, null when it was withheld. `agent` answered or made the
    call, null when that isn't known. `ticket` and `message` are null for a call that waits to be
    linked or was dismissed. `external_id` is the telephone system's ID of the call, and
    `fingerprint` identifies the content of its report.
    """

    id = fields.BigIntField(primary_key=True)
    ticket: fields.ForeignKeyNullableRelation[Ticket] = fields.ForeignKeyField(
        "models.Ticket", null=True, related_name=False, db_index=True
    )
    message: fields.OneToOneNullableRelation[Message] = fields.OneToOneField(
        "models.Message", null=True, related_name=False
    )
    note: fields.OneToOneNullableRelation[Note] = fields.OneToOneField(
        "models.Note", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    agent: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    direction = fields.CharEnumField(CallDirection, max_length=8, description="direction")
    outcome = fields.CharEnumField(CallOutcome, max_length=12, description="outcome")
    number: Any = fields.CharField(max_length=NUMBER_LENGTH, null=True, db_index=True)
    started_at: datetime = fields.DatetimeField(db_index=True)
    duration_seconds = fields.IntField()
    external_id: Any = fields.CharField(max_length=EXTERNAL_ID_LENGTH, null=True, unique=True)
    fingerprint: Any = fields.CharField(max_length=64, null=True)
    dismissed_at: datetime | None = fields.DatetimeField(null=True)
    created_at: datetime = fields.DatetimeField()

    ticket_id: int | None
    message_id: int | None
    note_id: int | None
    agent_id: int | None

    class Meta:
        table = "phone_call"
        indexes = (("outcome", "started_at"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Call"]:
        """Agents see all calls, members those of their company's tickets."""
        if viewer.is_agent:
            return QuerySet(cls)
        return (
            cls.filter(ticket__account_id=viewer.account.pk)
            if viewer.account
            else cls.filter(id=None)
        )

    @property
    def is_linked(self) -> bool:
        """Whether the call belongs to a ticket."""
        return self.ticket_id is not None
