"""Whether articles were useful to their readers, signed in or not."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.content.article import Article
from models.identity.user import User

if TYPE_CHECKING:
    from models.viewer import Viewer

COMMENT_LENGTH = 1_000


class FeedbackReason(StrEnum):
    """Why an article wasn't useful."""

    UNCLEAR = "UNCLEAR"
    INCOMPLETE = "INCOMPLETE"
    OUTDATED = "OUTDATED"
    WRONG = "WRONG"
    OTHER_TOPIC = "OTHER_TOPIC"


class ArticleFeedback(Model):
    """What one reader thinks of an article: a user, or a visitor by the hash of an ID that their
    browser chose. `version` is the one that they read.
    """

    id = fields.BigIntField(primary_key=True)
    article: fields.ForeignKeyRelation[Article] = fields.ForeignKeyField(
        "models.Article", related_name=False
    )
    user: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, db_index=True
    )
    visitor: Any = fields.CharField(max_length=64, null=True)
    is_useful = fields.BooleanField()
    reason: Any = fields.CharEnumField(
        FeedbackReason, max_length=12, null=True, description="reason"
    )
    comment = fields.TextField(default="")
    version = fields.IntField()
    at: datetime = fields.DatetimeField()

    article_id: int
    user_id: int | None

    class Meta:
        table = "article_feedback"
        unique_together = (("article", "user"), ("article", "visitor"))

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["ArticleFeedback"]:
        """Editors see all feedback, everyone else their own."""
        if viewer.is_editor:
            return QuerySet(cls)
        return cls.filter(user_id=viewer.user_id) if viewer.user_id else cls.filter(id=None)
