"""Canned replies: texts that agents use again and again, with variables."""

from datetime import datetime
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.identity.user import User
from models.support.team import Team, usable_by

if TYPE_CHECKING:
    from models.viewer import Viewer


class CannedReply(Model):
    """A text in one language or in both, `body_fr` and `body_en`.

    It belongs to its `owner`, to a `team`, or to all agents. `scope` is a key for who that is,
    within which a shortcut is unique.
    """

    id = fields.BigIntField(primary_key=True)
    scope = fields.CharField(max_length=32)
    shortcut = fields.CharField(max_length=40)
    name = fields.CharField(max_length=100)
    body_fr: str | None = fields.TextField(null=True)
    body_en: str | None = fields.TextField(null=True)
    owner: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False
    )
    team: fields.ForeignKeyNullableRelation[Team] = fields.ForeignKeyField(
        "models.Team", null=True, related_name=False
    )
    search_text = fields.TextField()
    updated_at: datetime = fields.DatetimeField()

    owner_id: int | None
    team_id: int | None

    class Meta:
        table = "canned_reply"
        unique_together = (("scope", "shortcut"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["CannedReply"]:
        """Agents see their own replies, those of their teams, and those of all agents. Supervisors
        also see those of other teams.
        """
        if not viewer.is_agent:
            return cls.filter(id=None)
        return cls.filter(usable_by(viewer))


def scope_of(owner_id: int | None, team_id: int | None) -> str:
    """The key of the people who can use a reply."""
    if owner_id is not None:
        return f"user:{owner_id}"
    return f"team:{team_id}" if team_id is not None else "all"
