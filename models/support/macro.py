"""Macros, which agents apply to tickets, and the record of each use."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.identity.user import Staff, User
from models.support.message import Message
from models.support.note import Note
from models.support.team import Team, usable_by
from models.support.ticket import Ticket
from models.support.ticket_actions import TicketActions

if TYPE_CHECKING:
    from models.viewer import Viewer

MACRO_NAME_LENGTH = 60


class Macro(Model):
    """A named set of actions, which belongs to its `owner`, to a `team` or to all agents. `scope`
    is a key for who that is, within which a name is unique. An archived macro has a scope of its
    own, so that its name can be used again.
    """

    id = fields.BigIntField(primary_key=True)
    scope = fields.CharField(max_length=32)
    name = fields.CharField(max_length=MACRO_NAME_LENGTH)
    owner: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False
    )
    team: fields.ForeignKeyNullableRelation[Team] = fields.ForeignKeyField(
        "models.Team", null=True, related_name=False
    )
    actions: dict[str, Any] = fields.JSONField(default=dict)
    created_at: datetime = fields.DatetimeField()
    updated_at: datetime = fields.DatetimeField()
    archived_at: datetime | None = fields.DatetimeField(null=True)

    owner_id: int | None
    team_id: int | None

    class Meta:
        table = "macro"
        unique_together = (("scope", "name"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Macro"]:
        """Agents see the macros of all agents, those of their teams and their own. Supervisors and
        operators see those of all teams.
        """
        if not viewer.is_agent:
            is_operator = viewer.staff is Staff.OPERATOR
            return cls.filter(owner_id=None) if is_operator else cls.filter(id=None)
        return cls.filter(usable_by(viewer))

    @property
    def ticket_actions(self) -> TicketActions:
        """What the macro does."""
        return TicketActions.from_json(self.actions)


class MacroUse(Model):
    """One application of a macro to a ticket, with what it did and the rows that it created."""

    id = fields.BigIntField(primary_key=True)
    macro: fields.ForeignKeyRelation[Macro] = fields.ForeignKeyField(
        "models.Macro", related_name=False, on_delete=fields.RESTRICT
    )
    ticket: fields.ForeignKeyRelation[Ticket] = fields.ForeignKeyField(
        "models.Ticket", related_name=False, db_index=True
    )
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name=False
    )
    message: fields.ForeignKeyNullableRelation[Message] = fields.ForeignKeyField(
        "models.Message", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    note: fields.ForeignKeyNullableRelation[Note] = fields.ForeignKeyField(
        "models.Note", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    kinds: list[str] = fields.JSONField(default=list)
    at: datetime = fields.DatetimeField()

    macro_id: int
    ticket_id: int
    user_id: int
    message_id: int | None
    note_id: int | None

    class Meta:
        table = "macro_use"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["MacroUse"]:
        """Those who answer customers see what macros did."""
        return QuerySet(cls) if viewer.is_agent else cls.filter(id=None)


def macro_scope(owner_id: int | None, team_id: int | None = None) -> str:
    """The key of the people to whom a macro belongs."""
    if team_id is not None:
        return f"team:{team_id}"
    return "all" if owner_id is None else f"user:{owner_id}"
