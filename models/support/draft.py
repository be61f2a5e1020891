"""Drafts of answers and notes, which an agent's devices share."""

from datetime import datetime
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.identity.user import User

if TYPE_CHECKING:
    from models.support.ticket import Ticket
    from models.viewer import Viewer


class Draft(Model):
    """What one agent is writing in a ticket. `version` counts how often it was saved."""

    id = fields.BigIntField(primary_key=True)
    ticket: fields.ForeignKeyRelation["Ticket"] = fields.ForeignKeyField(
        "models.Ticket", related_name=False
    )
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name=False
    )
    body = fields.TextField()
    is_note = fields.BooleanField()
    version = fields.IntField()
    updated_at: datetime = fields.DatetimeField()

    ticket_id: int
    user_id: int

    class Meta:
        table = "draft"
        unique_together = (("ticket", "user"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Draft"]:
        """Agents read their own drafts."""
        return cls.filter(user_id=viewer.user_id) if viewer.is_agent else cls.filter(id=None)
