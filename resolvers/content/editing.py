"""Writing and publishing articles."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import strawberry
from tortoise.queryset import QuerySet

from engine import Deferred
from models.action import Action
from models.checks import Checks
from models.content.article import Article, ArticleCategory, ArticleKind, ArticleTexts
from models.content.article_version import ArticleVersion
from models.errors import CommonErrorCode, Refusal
from models.identity.user import User
from models.locale import Locale
from models.numbers import number_in_range
from models.support.file import File, video_refusal
from models.text import client_key, line, message_text, slug_text
from models.translations import _
from resolvers.arguments import IDEMPOTENCY_KEY
from resolvers.context import Context, Info
from resolvers.ids import key_of, load_visible
from resolvers.paging import Order, PageRequest, pages_of
from resolvers.rows import RowByForeignKey
from support.library import articles
from support.library.articles import ArticleChanges
from support.library.webinars import require_url

SLUG_LENGTH, TITLE_LENGTH, SUMMARY_LENGTH, ARTICLE_LENGTH = 100, 150, 300, 50_000
MAX_POSITION = 100_000
_MAX_DAYS_AHEAD = timedelta(days=2 * 366)
_ARTICLE_ID = "The ID of an article."
NEWEST_FIRST = Order("number", descending=True)


@strawberry.input(description="The texts of an article in one language.")
class ArticleTextsInput:
    title: str = strawberry.field(description="The title (at most 150 characters).")
    summary: str = strawberry.field(
        description="What the article answers, in a sentence (at most 300 characters)."
    )
    body: str = strawberry.field(
        description="The text in Markdown (at most 50,000 characters). For a video, its "
        "transcript. Links to other articles have the form /articles/<slug>."
    )


@strawberry.input(description="The article to draft.")
class ArticleCreateInput:
    slug: str = strawberry.field(
        description="The identifier used in URLs: lowercase letters, digits and hyphens, at most "
        "100. It can't be changed."
    )
    kind: ArticleKind = strawberry.field(description="The kind of article. It can't be changed.")
    category: ArticleCategory = strawberry.field(
        description="The part of the service that the article covers."
    )
    fr: ArticleTextsInput = strawberry.field(description="The texts in French.")
    en: ArticleTextsInput = strawberry.field(description="The texts in English.")
    idempotency_key: str = strawberry.field(description=IDEMPOTENCY_KEY)


@strawberry.input(description="The article to change. Omitted fields keep their values.")
class ArticleUpdateInput:
    article_id: strawberry.ID = strawberry.field(description=_ARTICLE_ID)
    version: int = strawberry.field(
        description=(
            "The `latestVersion` that the change is based on. If somebody else has written "
            "another version in the meantime, nothing is changed and the user error is "
            "ARTICLE_CHANGED."
        )
    )
    fr: ArticleTextsInput | None = strawberry.field(
        default=None, description="All texts in French."
    )
    en: ArticleTextsInput | None = strawberry.field(
        default=None, description="All texts in English."
    )
    category: ArticleCategory | None = strawberry.field(
        default=None, description="The part of the service that the article covers."
    )
    position: int | None = strawberry.field(
        default=None, description="The place in the vendor's order, from 0."
    )
    video_url: str | None = strawberry.field(
        default=None,
        description="A link to the video at another site, which begins with https://. An empty "
        "text removes it.",
    )
    video_file_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The ID of an uploaded video (`fileAnnounce`), which replaces the one before.",
    )


@strawberry.input(description="The article to publish.")
class ArticlePublishInput:
    article_id: strawberry.ID = strawberry.field(description=_ARTICLE_ID)
    version: int | None = strawberry.field(
        default=None,
        description=(
            "The number of the version to publish, which may be an earlier one. Defaults to the "
            "latest."
        ),
    )
    at: datetime | None = strawberry.field(
        default=None,
        description=(
            "When to publish it, at most two years ahead. Defaults to now. Nothing changes for "
            "readers until then."
        ),
    )


@strawberry.input(description="The article to withdraw from the library.")
class ArticleUnpublishInput:
    article_id: strawberry.ID = strawberry.field(description=_ARTICLE_ID)


async def create(info: Info, input: ArticleCreateInput) -> Article:
    """Draft an article."""
    with Checks() as check:
        slug = check(slug_text, input.slug, "slug", SLUG_LENGTH)
        french = check(_texts, input.fr, "fr")
        english = check(_texts, input.en, "en")
        key = check(client_key, input.idempotency_key)
    texts = {Locale.FR.value: french, Locale.EN.value: english}
    return await articles.create_article(
        info.context.action(), slug, input.kind, input.category, texts, key
    )


async def update(info: Info, input: ArticleUpdateInput) -> Article:
    """Store a new version of an article."""
    context = info.context
    with Checks() as check:
        article = await check.wait(
            load_visible(Article, input.article_id, context.viewer, "articleId")
        )
        texts = {
            locale.value: check(_texts, given, locale.value)
            for locale, given in ((Locale.FR, input.fr), (Locale.EN, input.en))
            if given is not None
        }
        if input.position is not None:
            check(_position, input.position)
        if input.video_url:
            check(require_url, input.video_url, "videoUrl")
        file_id = check(_file_id, input.video_file_id)
    changes = ArticleChanges(texts, input.category, input.position, input.video_url, file_id)
    return await articles.update_article(context.action(), article, input.version, changes)


async def publish(info: Info, input: ArticlePublishInput) -> Article:
    """Publish a version of an article."""
    context, action = info.context, info.context.action()
    with Checks() as check:
        article = await check.wait(
            load_visible(Article, input.article_id, context.viewer, "articleId")
        )
        check(_time, action, input.at)
    return await articles.publish_article(action, article, input.version, input.at)


async def unpublish(info: Info, input: ArticleUnpublishInput) -> Article:
    """Withdraw an article."""
    context = info.context
    article = await load_visible(Article, input.article_id, context.viewer, "articleId")
    return await articles.unpublish_article(context.action(), article)


def _texts(texts: ArticleTextsInput, field: str) -> ArticleTexts:
    with Checks(parent_field=field) as check:
        return ArticleTexts(
            title=check(line, texts.title, "title", TITLE_LENGTH),
            summary=check(line, texts.summary, "summary", SUMMARY_LENGTH),
            body=check(message_text, texts.body, "body", ARTICLE_LENGTH),
        )


def _position(position: int) -> None:
    number_in_range(position, 0, MAX_POSITION, "input", "position")


def _file_id(file_id: str | None) -> int | None:
    key = key_of(File, file_id) if file_id is not None else None
    if file_id is not None and key is None:
        raise video_refusal()
    return key


def _time(action: Action, at: datetime | None) -> None:
    if at and not action.at <= at <= action.at + _MAX_DAYS_AHEAD:
        message = _("Choose a time within the next two years.")
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "at", message=message)


def versions(context: Context, parents: Sequence[Article], page_request: PageRequest) -> Deferred:
    """One page of the versions of each article, for editors."""
    return pages_of(
        parents, ArticleVersion, "article_id", NEWEST_FIRST, page_request, context.viewer
    )


def editors(context: Context, parents: Sequence[ArticleVersion]) -> RowByForeignKey:
    """The editor who wrote each version."""
    return RowByForeignKey(parents, "editor_id", QuerySet(User))


def published_versions(context: Context, parents: Sequence[Article]) -> list[int | None]:
    """The number of the version of each article that is published, for editors."""
    return [
        article.published_version if context.viewer.is_editor and article.published_at else None
        for article in parents
    ]


def latest_versions(context: Context, parents: Sequence[Article]) -> list[int | None]:
    """The number of the latest version of each article, for editors."""
    is_editor = context.viewer.is_editor
    return [article.latest_version if is_editor else None for article in parents]


def scheduled_versions(context: Context, parents: Sequence[Article]) -> list[int | None]:
    """The number of the version of each article that will be published, for editors."""
    is_editor = context.viewer.is_editor
    return [article.scheduled_version if is_editor else None for article in parents]


def scheduled_times(context: Context, parents: Sequence[Article]) -> list[datetime | None]:
    """When a scheduled version of each article will be published, for editors."""
    is_editor = context.viewer.is_editor
    return [article.scheduled_at if is_editor else None for article in parents]


async def video_urls(context: Context, parents: Sequence[Article]) -> list[str | None]:
    """The URL of each video: at another site, or our own URL of the uploaded file."""
    files = File.filter(
        article_id__in=[article.pk for article in parents],
        cleared_at__not_isnull=True,
        infected_at=None,
        abandoned_at=None,
    )
    uploaded = {file.article_id for file in await files}
    base_url = context.services.base_url
    return [
        article.video_url
        or (
            f"{base_url}/library/{article.slug}/video"
            if article.pk in uploaded and article.published_at
            else None
        )
        for article in parents
    ]
