"""Internal notes, which agents write for each other in a ticket.

They aren't messages: customers never read, count, search, receive or export them, and they change
neither a ticket's times nor its stream.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.identity.user import User

if TYPE_CHECKING:
    from models.support.ticket import Ticket
    from models.viewer import Viewer


class Note(Model):
    """An internal note of a ticket."""

    id = fields.BigIntField(primary_key=True)
    ticket: fields.ForeignKeyRelation["Ticket"] = fields.ForeignKeyField(
        "models.Ticket", related_name="notes", db_index=True
    )
    author: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name=False
    )
    body = fields.TextField()
    at: datetime = fields.DatetimeField()

    ticket_id: int
    author_id: int

    class Meta:
        table = "note"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Note"]:
        """Only those who answer customers read notes."""
        return QuerySet(cls) if viewer.is_agent else cls.filter(id=None)


class Mention(Model):
    """An agent who is mentioned in a note, and when they first saw it."""

    id = fields.BigIntField(primary_key=True)
    note: fields.ForeignKeyRelation[Note] = fields.ForeignKeyField(
        "models.Note", related_name="mentions"
    )
    ticket: fields.ForeignKeyRelation["Ticket"] = fields.ForeignKeyField(
        "models.Ticket", related_name=False
    )
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name=False
    )
    seen_at: datetime | None = fields.DatetimeField(null=True)

    note_id: int
    ticket_id: int
    user_id: int

    class Meta:
        table = "mention"
        unique_together = (("note", "user"),)
        indexes = (("user_id", "seen_at"),)
