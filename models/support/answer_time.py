"""How long customers have waited for a first answer, as it is shown to them."""

from datetime import datetime

from tortoise import fields
from tortoise.models import Model

from models.support.classification import Channel


class AnswerTime(Model):
    """The measured first response of a channel in the days before `measured_at`: how many answers,
    and their median and 90th percentile in seconds, in business and in wall-clock time. A job
    replaces the row every hour.
    """

    channel = fields.CharEnumField(Channel, max_length=8, primary_key=True, description="channel")
    answers = fields.IntField()
    median_seconds: float = fields.FloatField()
    p90_seconds: float = fields.FloatField()
    median_business_seconds: float = fields.FloatField()
    p90_business_seconds: float = fields.FloatField()
    measured_at: datetime = fields.DatetimeField()

    class Meta:
        table = "answer_time"
