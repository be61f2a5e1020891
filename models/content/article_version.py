"""The versions of articles that editors wrote. A version never changes."""

from datetime import datetime
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.content.article import Article, ArticleTexts
from models.identity.user import User
from models.locale import Locale

if TYPE_CHECKING:
    from models.viewer import Viewer


class ArticleVersion(Model):
    """One version of an article's texts. `editor` is null for a version that came with the
    installation, and `published_at` is when it was last published.
    """

    id = fields.BigIntField(primary_key=True)
    article: fields.ForeignKeyRelation[Article] = fields.ForeignKeyField(
        "models.Article", related_name=False
    )
    number = fields.IntField()
    texts: dict[str, ArticleTexts] = fields.JSONField()
    editor: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    created_at: datetime = fields.DatetimeField()
    published_at: datetime | None = fields.DatetimeField(null=True)

    article_id: int
    editor_id: int | None

    class Meta:
        table = "article_version"
        unique_together = (("article", "number"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["ArticleVersion"]:
        """Only editors see versions."""
        return QuerySet(cls) if viewer.is_editor else cls.filter(id=None)

    def text(self, locale: Locale) -> ArticleTexts:
        return self.texts[locale.value]
