"""The library of guides, FAQs, videos and webinars, in every language."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypedDict

from tortoise import fields
from tortoise.expressions import Q
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.content.stop_words import STOP_WORDS
from models.locale import Locale
from models.stemming import stem
from models.text import MAX_PARTS, fold_text, match_word, search_text, search_words

if TYPE_CHECKING:
    from models.viewer import Viewer

SEARCH_LENGTH = 200
URL_LENGTH = 500
DEFAULT_SECONDS = 3_600  # of a webinar without a duration


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
    """One article in every language, as readers see it: `texts` are those of `published_version`,
    or of the latest version while the article is a draft. `published_at` is null for a draft.
    `scheduled_version` will be published at `scheduled_at`. models/content/article_version.py has
    the versions that editors wrote.

    The columns `search_text_*` contain the texts normalized for searches, `stems_*` the stems of
    their words, each between spaces. `updated_at` changes whenever one of them does.

    For a webinar, `capacity` is null when there is room for everybody, and `join_url` is for those
    who signed up. `calendar_sequence` counts the changes that calendars have to be sent.
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
    stems_fr = fields.TextField(default="", db_default="")
    stems_en = fields.TextField(default="", db_default="")
    video_url: Any = fields.CharField(max_length=URL_LENGTH, null=True)
    updated_at: datetime | None = fields.DatetimeField(null=True)
    published_at: datetime | None = fields.DatetimeField(null=True)
    latest_version = fields.IntField(default=1, db_default=1)
    published_version = fields.IntField(default=1, db_default=1)
    scheduled_version: Any = fields.IntField(null=True)
    scheduled_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    capacity: Any = fields.IntField(null=True)
    join_url: Any = fields.CharField(max_length=URL_LENGTH, null=True)
    canceled_at: datetime | None = fields.DatetimeField(null=True)
    calendar_sequence = fields.IntField(default=0, db_default=0)

    class Meta:
        table = "article"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Article"]:
        """The published articles are public. Editors see the drafts as well."""
        return QuerySet(cls) if viewer.is_editor else cls.filter(published_at__not_isnull=True)

    @classmethod
    def matching(
        cls, articles: QuerySet["Article"], search: str, locale: Locale
    ) -> QuerySet["Article"]:
        """Filter articles that contain every word of the search, in any form, regardless of case
        and accents. Words such as "the" don't count unless the search has no others. A search
        without letters and digits finds nothing.
        """
        words = search_words(search[:SEARCH_LENGTH])
        telling = [parts for parts in words if not STOP_WORDS.issuperset(parts)]
        for parts in telling or words:
            articles = articles.filter(
                match_word(f"search_text_{locale.value}", parts) | _match_stems(parts, locale)
            )
        return articles if words else articles.filter(id=None)

    def text(self, locale: Locale) -> ArticleTexts:
        return self.texts[locale.value]

    def set_texts(self, texts: dict[str, ArticleTexts], at: datetime) -> None:
        """Show these texts, by language, from now on."""
        self.texts, self.updated_at = texts, at
        self.search_text_fr, self.stems_fr = _indexed(texts[Locale.FR.value])
        self.search_text_en, self.stems_en = _indexed(texts[Locale.EN.value])

    @property
    def is_webinar(self) -> bool:
        """Whether people can sign up for the article."""
        return self.kind is ArticleKind.WEBINAR

    @property
    def ends_at(self) -> datetime | None:
        """When the webinar ends."""
        if self.starts_at is None:
            return None
        return self.starts_at + timedelta(seconds=self.duration_seconds or DEFAULT_SECONDS)


def article_search_text(texts: ArticleTexts) -> str:
    """Return an article's texts normalized for searches."""
    return search_text(texts["title"], texts["summary"], texts["body"])


def article_stems(texts: ArticleTexts) -> str:
    """The stems of the words of an article, each between spaces."""
    words = fold_text(" ".join((texts["title"], texts["summary"], texts["body"]))).split()
    return f" {' '.join(sorted({stem(word) for word in words}))} "


def _indexed(texts: ArticleTexts) -> tuple[str, str]:
    return article_search_text(texts), article_stems(texts)


def _match_stems(parts: tuple[str, ...], locale: Locale) -> Q:
    column = f"stems_{locale.value}__contains"
    return Q(*(Q(**{column: f" {stem(part)} "}) for part in parts[:MAX_PARTS]))
