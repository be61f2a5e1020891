"""Agents' own views of the inbox: named conditions on tickets."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.expressions import Subquery
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.identity.user import User
from models.support.inbox_view import InboxView, is_in_view
from models.support.tag import TicketTag
from models.support.ticket import Ticket

if TYPE_CHECKING:
    from models.viewer import Viewer

_COLUMNS = ("status", "channel", "category", "priority", "team_id", "assignee_id")


class SavedFilter(Model):
    """The saved conditions of one agent. `conditions` has the accepted values by column, besides
    `tags`, `view` and `assigned`; a column that isn't in it doesn't matter.
    """

    id = fields.BigIntField(primary_key=True)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name=False
    )
    name = fields.CharField(max_length=60)
    conditions: dict[str, Any] = fields.JSONField(default=dict)
    updated_at: datetime = fields.DatetimeField()

    user_id: int

    class Meta:
        table = "saved_filter"
        unique_together = (("user", "name"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["SavedFilter"]:
        """Agents see their own filters."""
        return cls.filter(user_id=viewer.user_id) if viewer.is_agent else cls.filter(id=None)

    def matching(self, viewer: "Viewer") -> QuerySet[Ticket]:
        """The tickets that the viewer, whose filter this is, sees and that meet the conditions."""
        rows, conditions = Ticket.visible_to(viewer), self.conditions
        if [] in conditions.values():  # nothing is in an empty list
            return rows.filter(id=None)
        for column in _COLUMNS:
            if column in conditions:
                rows = rows.filter(**{f"{column}__in": conditions[column]})
        if "tags" in conditions:
            tagged = TicketTag.filter(tag__in=conditions["tags"])
            rows = rows.filter(id__in=Subquery(tagged.values("ticket_id")))
        if "view" in conditions:
            rows = rows.filter(is_in_view(InboxView(conditions["view"]), viewer))
        if "assigned" in conditions:
            rows = rows.filter(assignee_id=viewer.user_id if conditions["assigned"] else None)
        return rows
