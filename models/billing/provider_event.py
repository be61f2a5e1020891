"""Notifications by payment providers, as they were received."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.identity.user import Staff

if TYPE_CHECKING:
    from models.viewer import Viewer


class ProviderEventStatus(StrEnum):
    """What became of a notification. RECEIVED notifications are handled again until they are
    APPLIED.
    """

    RECEIVED = "RECEIVED"
    APPLIED = "APPLIED"
    IGNORED = "IGNORED"
    FAILED = "FAILED"


class ProviderEvent(Model):
    """One notification: its raw body, and what it is about in the terms of Notification
    (billing/gateways/gateway.py). `attempts` counts how often it was handled, and `error` is the
    class of the last error.
    """

    id = fields.BigIntField(primary_key=True)
    provider = fields.CharField(max_length=20)
    event_id = fields.CharField(max_length=255)
    type = fields.CharField(max_length=80)
    subject = fields.CharField(max_length=20)
    reference = fields.CharField(max_length=255)
    key = fields.CharField(max_length=64, null=True)
    body = fields.BinaryField()
    received_at: datetime = fields.DatetimeField()
    status = fields.CharEnumField(
        ProviderEventStatus,
        max_length=20,
        default=ProviderEventStatus.RECEIVED,
        description="status",
    )
    handled_at: datetime | None = fields.DatetimeField(null=True)
    attempts = fields.IntField(default=0)
    next_attempt_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    error = fields.CharField(max_length=60, null=True)

    class Meta:
        table = "provider_event"
        unique_together = (("provider", "event_id"),)
        indexes = (("status", "received_at"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["ProviderEvent"]:
        """Operators see all notifications."""
        return QuerySet(cls) if viewer.staff is Staff.OPERATOR else cls.filter(id=None)
