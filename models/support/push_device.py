"""Devices that receive push notifications (RFC 8030), and how far each has been notified."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.identity.session import Session
from models.identity.user import User

if TYPE_CHECKING:
    from models.viewer import Viewer

ENDPOINT_LENGTH = 1_000


class PushKind(StrEnum):
    """What a notification is about. Customers get the first two, agents the others."""

    TICKET_REPLY = "TICKET_REPLY"
    TICKET_STATUS = "TICKET_STATUS"
    TICKET_ASSIGNED = "TICKET_ASSIGNED"
    MENTION = "MENTION"
    SLA_WARNING = "SLA_WARNING"


CUSTOMER_KINDS: tuple[PushKind, ...] = (PushKind.TICKET_REPLY, PushKind.TICKET_STATUS)
AGENT_KINDS: tuple[PushKind, ...] = (
    PushKind.TICKET_ASSIGNED,
    PushKind.MENTION,
    PushKind.SLA_WARNING,
)


class PushDevice(Model):
    """A browser or an app that receives notifications through a push service, as long as its
    session is valid.

    `endpoint` is the URL at the push service, `service` the name of that service, `p256dh` and
    `auth` are the keys that payloads are encrypted with (RFC 8291). All three are useless without
    our own key. `sequence` is the last event of `stream` that the device was notified of, or that
    it didn't need to be. `attempts` counts the failures since then.
    """

    id = fields.BigIntField(primary_key=True)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name=False, db_index=True
    )
    session: fields.OneToOneRelation[Session] = fields.OneToOneField(
        "models.Session", related_name=False
    )
    endpoint = fields.CharField(max_length=ENDPOINT_LENGTH, unique=True)
    service = fields.CharField(max_length=253)
    p256dh = fields.CharField(max_length=88)
    auth = fields.CharField(max_length=24)
    name = fields.CharField(max_length=60, null=True)
    kinds: list[str] = fields.JSONField(default=list)
    created_at: datetime = fields.DatetimeField()
    stream = fields.CharField(max_length=64)
    sequence = fields.BigIntField()
    attempts = fields.IntField(default=0)
    next_attempt_at: datetime = fields.DatetimeField()

    user_id: int
    session_id: int

    class Meta:
        table = "push_device"
        indexes = (("service", "next_attempt_at"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["PushDevice"]:
        """People see the devices on which they are signed in."""
        return (
            cls.filter(user_id=viewer.user_id, session__ended_at=None)
            if viewer.user
            else cls.filter(id=None)
        )
