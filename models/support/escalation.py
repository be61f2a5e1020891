"""Escalations of tickets: a problem persists, and a supervisor takes care of it."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.identity.user import User

if TYPE_CHECKING:
    from models.support.ticket import Ticket
    from models.viewer import Viewer


class Escalation(Model):
    """One escalation of a ticket. `history` holds the keys of the tickets with the earlier
    exchanges. `supervisor` is null while there is none to take it.
    """

    id = fields.BigIntField(primary_key=True)
    ticket: fields.ForeignKeyRelation["Ticket"] = fields.ForeignKeyField(
        "models.Ticket", related_name=False, db_index=True
    )
    escalator: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name=False
    )
    supervisor: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL, db_index=True
    )
    details = fields.TextField()
    steps_tried = fields.TextField()
    history: list[Any] = fields.JSONField(default=list)
    at: datetime = fields.DatetimeField()
    resolved_at: datetime | None = fields.DatetimeField(null=True, db_index=True)

    ticket_id: int
    escalator_id: int
    supervisor_id: int | None

    class Meta:
        table = "escalation"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Escalation"]:
        """Agents see all escalations, members those of their account's tickets."""
        if viewer.is_agent:
            return QuerySet(cls)
        return (
            cls.filter(ticket__account_id=viewer.account.pk)
            if viewer.account
            else cls.filter(id=None)
        )
