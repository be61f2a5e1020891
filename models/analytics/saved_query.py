"""Queries that analysts have saved under a name."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.expressions import Q
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.identity.user import Staff, User

if TYPE_CHECKING:
    from models.viewer import Viewer

QUERY_NAME_LENGTH = 80


class SavedQuery(Model):
    """A query of one analyst, who is its owner. `query` is the query as
    `operations.analytics.query.AnalyticsQuery.to_json` writes it: with relative periods, which are
    evaluated whenever it runs. All analysts see a shared one.
    """

    id = fields.BigIntField(primary_key=True)
    owner: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name=False
    )
    name = fields.CharField(max_length=QUERY_NAME_LENGTH)
    query: dict[str, Any] = fields.JSONField()
    is_shared = fields.BooleanField(default=False)
    created_at: datetime = fields.DatetimeField()
    updated_at: datetime = fields.DatetimeField()

    owner_id: int

    class Meta:
        table = "saved_query"
        unique_together = (("owner", "name"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["SavedQuery"]:
        """Analysts see their own queries and shared ones."""
        if viewer.staff is not Staff.ANALYST:
            return cls.filter(id=None)
        return cls.filter(Q(owner_id=viewer.user_id) | Q(is_shared=True))

    def is_visible_to(self, user_id: int) -> bool:
        """Whether an analyst sees the query."""
        return self.is_shared or self.owner_id == user_id
