"""The library of guides, FAQs, videos and webinars, in every language."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, TypedDict

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.locale import Locale
from models.text import match_word, search_text, search_words

if TYPE_CHECKING:
    from models.viewer import Viewer

SEARCH_LENGTH = 200


class ArticleKind(StrEnum):
    """The kind of an article."""

    GUIDE = "GUIDE"
    FAQ = "FAQ"
    VIDEO = "VIDEO"
    WEBINAR = "WEBINAR"


class ArticleCategory(StrEnum):
    """The part of the service an article is about."""

    ACCOUNT = "ACCOUNT"
    OFFERS = "OFFERS"
    BILLING = "BILLING"
    SECURITY = "SECURITY"
    SUPPORT = "SUPPORT"


class ArticleTexts(TypedDict):
    """An article's texts in one language. `body` is Markdown."""

    title: str
    summary: str
    body: str


class Article(Model):
    """One article in every language. The columns `search_text_fr` and `search_text_en` contain its
    text normalized for searches.
    """

    id = fields.BigIntField(primary_key=True)
    slug = fields.CharField(max_length=100, unique=True)
    kind = fields.CharEnumField(ArticleKind, max_length=8, db_index=True)
    category = fields.CharEnumField(ArticleCategory, max_length=8, db_index=True)
    position = fields.IntField(default=0)
    texts: dict[str, ArticleTexts] = fields.JSONField()
    search_text_fr = fields.TextField()
    search_text_en = fields.TextField()
    media = fields.CharField(max_length=200, null=True)
    duration_seconds = fields.IntField(null=True)
    starts_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "article"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Article"]:
        """The library is public."""
        return QuerySet(cls)

    @classmethod
    def matching(
        cls, articles: QuerySet["Article"], search: str, locale: Locale
    ) -> QuerySet["Article"]:
        """Filter articles that contain every word of the search, regardless of case and accents.
        A search without letters and digits finds nothing.
        """
        words = search_words(search[:SEARCH_LENGTH])
        for parts in words:
            articles = articles.filter(match_word(f"search_text_{locale.value}", parts))
        return articles if words else articles.filter(id=None)

    def text(self, locale: Locale) -> ArticleTexts:
        return self.texts[locale.value]


def article_search_text(texts: ArticleTexts) -> str:
    """Return an article's texts normalized for searches."""
    return search_text(texts["title"], texts["summary"], texts["body"])
