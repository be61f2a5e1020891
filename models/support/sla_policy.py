"""SLA policies: how soon customers are answered, by channel and priority."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.expressions import Q
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.database.reading import read
from models.identity.user import Staff
from models.support.calendar import Calendar
from models.support.classification import Channel, Priority

if TYPE_CHECKING:
    from models.viewer import Viewer


class SlaMeasure(StrEnum):
    """What an SLA clock measures."""

    FIRST_RESPONSE = "FIRST_RESPONSE"
    NEXT_RESPONSE = "NEXT_RESPONSE"
    RESOLUTION = "RESOLUTION"


RESPONSES = (SlaMeasure.FIRST_RESPONSE, SlaMeasure.NEXT_RESPONSE)


class SlaPolicy(Model):
    """The targets of tickets of a channel: of one priority, or of all that have no policy of their
    own. They are in minutes of business time of `calendar`, by default of the default calendar.

    Customers are promised an answer within `promised_hours` hours of business days, or at once when
    that is null. `promised_hours_from` is the number of hours after which they can expect it at the
    earliest.
    """

    id = fields.BigIntField(primary_key=True)
    channel = fields.CharEnumField(Channel, max_length=8, description="channel")
    priority: Any = fields.CharEnumField(Priority, max_length=8, null=True, description="priority")
    first_response_minutes: int | None = fields.IntField(null=True)
    next_response_minutes: int | None = fields.IntField(null=True)
    resolution_minutes: int | None = fields.IntField(null=True)
    calendar: fields.ForeignKeyNullableRelation[Calendar] = fields.ForeignKeyField(
        "models.Calendar", null=True, related_name=False, on_delete=fields.RESTRICT
    )
    promised_hours_from: int | None = fields.IntField(null=True)
    promised_hours: int | None = fields.IntField(null=True)
    updated_at: datetime = fields.DatetimeField()

    calendar_id: int | None

    class Meta:
        table = "sla_policy"
        unique_together = (("channel", "priority"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["SlaPolicy"]:
        """Those who answer customers, and operators, see policies."""
        is_visible = viewer.is_agent or viewer.staff is Staff.OPERATOR
        return QuerySet(cls) if is_visible else cls.filter(id=None)

    @classmethod
    async def find(cls, channel: Channel, priority: Priority) -> "SlaPolicy | None":
        """The policy of tickets of a channel and priority, None when they have no targets."""
        own_or_general = Q(priority=priority) | Q(priority=None)
        policies = await read(cls.filter(own_or_general, channel=channel))
        return min(policies, key=lambda policy: policy.priority is None, default=None)

    def target(self, measure: SlaMeasure) -> timedelta | None:
        """The target of a measure in business time, None when there is none."""
        minutes = {
            SlaMeasure.FIRST_RESPONSE: self.first_response_minutes,
            SlaMeasure.NEXT_RESPONSE: self.next_response_minutes,
            SlaMeasure.RESOLUTION: self.resolution_minutes,
        }[measure]
        return None if minutes is None else timedelta(minutes=minutes)
