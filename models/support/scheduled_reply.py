"""Scheduled replies: answers that an agent has written and that are posted at a later time.

A scheduled reply belongs to whoever has locked its ticket. It is posted as its author wrote it, in
the same transaction that marks it as sent (support/scheduled_replies.py). Until then customers
can't see it: neither the ticket's stream nor that of its account mentions it.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.identity.user import User
from models.support.message import Message
from models.support.opening_hours import OpeningHours

if TYPE_CHECKING:
    from models.support.ticket import Ticket
    from models.viewer import Viewer

MAX_DELAY = timedelta(days=366)


class ScheduledReplyState(StrEnum):
    """The state of a scheduled reply."""

    WAITING = "WAITING"
    HELD = "HELD"
    NOT_SENT = "NOT_SENT"
    SENT = "SENT"
    CANCELED = "CANCELED"


# in which the reply is still to be sent, by itself or by somebody
UNSENT_STATES = (
    ScheduledReplyState.WAITING,
    ScheduledReplyState.HELD,
    ScheduledReplyState.NOT_SENT,
)


class ScheduledReplyProblem(StrEnum):
    """Why a reply wasn't sent at its time."""

    TICKET_CLOSED = "TICKET_CLOSED"
    TICKET_MERGED = "TICKET_MERGED"
    AUTHOR_LEFT = "AUTHOR_LEFT"
    FILE_REFUSED = "FILE_REFUSED"


class ScheduledReply(Model):
    """A scheduled reply. `send_at` is when it is posted. If `at_next_opening`, that is derived from
    the hours of the ticket's team and from `scheduled_at`, when the reply was last edited.

    `seen_sequence` is the ticket's last event that its author could have seen. What a customer
    writes later overtakes the reply: `overtaken_at` is when they wrote, and the reply is held back
    if `is_holdable`. `email_pending_since` is since when an email waits to tell its author that it
    couldn't be sent.
    """

    id = fields.BigIntField(primary_key=True)
    ticket: fields.ForeignKeyRelation["Ticket"] = fields.ForeignKeyField(
        "models.Ticket", related_name=False
    )
    author: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name=False
    )
    message: fields.ForeignKeyNullableRelation[Message] = fields.ForeignKeyField(
        "models.Message", null=True, related_name=False
    )
    body = fields.TextField()
    state = fields.CharEnumField(
        ScheduledReplyState,
        max_length=8,
        default=ScheduledReplyState.WAITING,
        description="state",
    )
    problem: Any = fields.CharEnumField(
        ScheduledReplyProblem, max_length=13, null=True, description="problem"
    )
    send_at: datetime = fields.DatetimeField()
    at_next_opening = fields.BooleanField()
    is_holdable = fields.BooleanField()
    seen_sequence = fields.BigIntField()
    overtaken_at: datetime | None = fields.DatetimeField(null=True)
    created_at: datetime = fields.DatetimeField()
    scheduled_at: datetime = fields.DatetimeField()
    email_pending_since: datetime | None = fields.DatetimeField(null=True)

    ticket_id: int
    author_id: int
    message_id: int | None

    class Meta:
        table = "scheduled_reply"
        indexes = (("ticket_id", "state"), ("state", "send_at"))

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["ScheduledReply"]:
        """Only those who answer customers see replies that aren't sent yet."""
        return QuerySet(cls) if viewer.is_agent else cls.filter(id=None)

    @property
    def is_unsent(self) -> bool:
        """Whether the reply can still be sent, at its time or by a person."""
        return self.state in UNSENT_STATES

    def planned_time(self, hours: OpeningHours, at: datetime) -> datetime:
        """When the reply is sent according to the current hours: a reply that waits for opening
        hours is never sent outside of them, unless they never begin again.
        """
        if not self.at_next_opening:
            return self.send_at
        planned_at = hours.next_beginning(self.scheduled_at)
        if planned_at is not None and planned_at <= at:  # no process ran at that time
            planned_at = planned_at if hours.is_open(at) else hours.next_opening(at)
        return planned_at or self.send_at
