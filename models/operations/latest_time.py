"""The latest time that any process has recorded, by which processes notice that the clock was set
back, even after a restart.
"""

from datetime import datetime

from tortoise import fields
from tortoise.models import Model


class LatestTime(Model):
    """The latest recorded time, in a single row."""

    id = fields.IntField(primary_key=True)
    at: datetime = fields.DatetimeField()

    class Meta:
        table = "latest_time"
