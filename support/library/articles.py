"""Writing and publishing articles: drafts, versions and dates of publication.

Every change of the texts is a version, which editors can read later on. Readers see the version
that was published last. Category, position and video are the same in all versions, and change at
once.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from tortoise.exceptions import IntegrityError

from models.action import Action, Transaction
from models.billing.errors import BillingErrorCode
from models.content.article import Article, ArticleCategory, ArticleKind, ArticleTexts
from models.content.article_version import ArticleVersion
from models.content.audit_actions import ContentAuditAction
from models.content.errors import ContentErrorCode
from models.due_rows import handle_each
from models.errors import CommonErrorCode, Refusal, TransactionConflict
from models.idempotency import earlier_result, owner_of, store_result
from models.support.file import attach_video
from models.translations import _

Texts = dict[str, ArticleTexts]  # by language


@dataclass(frozen=True)
class ArticleChanges:
    """What to change in an article, None for what stays. An empty `video_url` removes the link."""

    texts: Texts
    category: ArticleCategory | None = None
    position: int | None = None
    video_url: str | None = None
    video_file_id: int | None = None


async def create_article(
    action: Action,
    slug: str,
    kind: ArticleKind,
    category: ArticleCategory,
    texts: Texts,
    key: str,
) -> Article:
    """Draft an article, and put it last in the library. The same key returns the same draft. Raises
    SLUG_TAKEN and IDEMPOTENCY_MISMATCH.
    """
    owner, arguments = owner_of(action), [slug, kind.value, category.value, texts]
    async with action.transaction() as tx:
        if earlier_id := await earlier_result(tx, owner, "articleCreate", key, arguments):
            return await Article.get(pk=earlier_id, using_db=tx.db)
        if await Article.filter(slug=slug).using_db(tx.db).exists():
            message = _("Another article has this identifier. Choose another one.")
            raise Refusal(BillingErrorCode.SLUG_TAKEN, "input", "slug", message=message)
        last = await Article.all().using_db(tx.db).order_by("-position").first()
        article = Article(slug=slug, kind=kind, category=category)
        article.position = last.position + 1 if last else 1
        article.set_texts(texts, action.at)
        try:
            await article.save(using_db=tx.db)
        except IntegrityError:  # somebody else was faster
            raise TransactionConflict("the slug was taken") from None
        await _add_version(tx, article, texts)
        await store_result(tx, owner, "articleCreate", key, article.pk)
        tx.audit(ContentAuditAction.ARTICLE_CREATE, article, None)
    return article


async def update_article(
    action: Action, article: Article, base_version: int, changes: ArticleChanges
) -> Article:
    """Write a version of an article that isn't public yet, based on the latest one. A repeat
    changes nothing.

    Raises ARTICLE_CHANGED when somebody has written a version meanwhile, and FILE_REFUSED for a
    file that isn't a video uploaded by the editor.
    """
    async with action.transaction() as tx:
        row = await tx.lock(Article, article.pk)
        latest = await _latest_version(tx, row)
        texts = latest.texts | changes.texts
        if base_version != row.latest_version:
            if base_version + 1 == row.latest_version and texts == latest.texts:
                return row  # a repeat
            raise Refusal(ContentErrorCode.ARTICLE_CHANGED, "input", "version")
        if texts != latest.texts:
            row.latest_version += 1
            await _add_version(tx, row, texts)
            if row.published_at is None:
                row.set_texts(texts, action.at)
        await _apply(tx, row, changes)
        await row.save(using_db=tx.db)
        tx.audit(ContentAuditAction.ARTICLE_UPDATE, row, None, version=row.latest_version)
    return row


async def _apply(tx: Transaction, article: Article, changes: ArticleChanges) -> None:
    article.category = changes.category or article.category
    if changes.position is not None:
        article.position = changes.position
    if changes.video_url is not None:
        article.video_url = changes.video_url or None
    if changes.video_file_id is not None:
        assert tx.action.actor, "editors are signed in"  # noqa: S101
        await attach_video(tx, article, tx.action.actor, changes.video_file_id)
    article.updated_at = tx.action.at


async def _latest_version(tx: Transaction, article: Article) -> ArticleVersion:
    """The latest version. That of an installed article is stored when it is first needed."""
    stored = await ArticleVersion.get_or_none(
        article_id=article.pk, number=article.latest_version, using_db=tx.db
    )
    if stored:
        return stored
    return await ArticleVersion.create(
        using_db=tx.db,
        article_id=article.pk,
        number=article.latest_version,
        texts=article.texts,
        created_at=article.updated_at or tx.action.at,
        published_at=article.published_at,
    )


async def _add_version(tx: Transaction, article: Article, texts: Texts) -> None:
    await ArticleVersion.create(
        using_db=tx.db,
        article_id=article.pk,
        number=article.latest_version,
        texts=texts,
        editor=tx.action.actor,
        created_at=tx.action.at,
    )


async def publish_article(
    action: Action, article: Article, number: int | None, at: datetime | None
) -> Article:
    """Publish a version, by default the latest, now or at a time, which replaces an earlier one. A
    repeat changes nothing. Raises NOT_FOUND for a version that doesn't exist.
    """
    async with action.transaction() as tx:
        row = await tx.lock(Article, article.pk)
        await _latest_version(tx, row)
        number = number or row.latest_version
        version = await ArticleVersion.get_or_none(article_id=row.pk, number=number, using_db=tx.db)
        if version is None:
            raise Refusal(CommonErrorCode.NOT_FOUND, "input", "version")
        if at and at > action.at:
            if (row.scheduled_version, row.scheduled_at) == (number, at):
                return row
            row.scheduled_version, row.scheduled_at = number, at
        elif row.published_at and row.published_version == number and not row.scheduled_at:
            return row
        else:
            await _publish(tx, row, version)
        await row.save(using_db=tx.db)
        tx.audit(ContentAuditAction.ARTICLE_PUBLISH, row, None, version=number)
    return row


async def _publish(tx: Transaction, article: Article, version: ArticleVersion) -> None:
    """Show a version to readers. The caller has locked the article and saves it."""
    article.set_texts(version.texts, tx.action.at)
    article.published_version, article.published_at = version.number, tx.action.at
    article.scheduled_version = article.scheduled_at = None
    version.published_at = tx.action.at
    await version.save(using_db=tx.db, update_fields=["published_at"])


async def unpublish_article(action: Action, article: Article) -> Article:
    """Withdraw an article from the library, and drop a planned publication. A repeat changes
    nothing.
    """
    async with action.transaction() as tx:
        row = await tx.lock(Article, article.pk)
        if row.published_at is None and row.scheduled_at is None:
            return row
        values: dict[str, Any] = {
            "published_at": None,
            "scheduled_at": None,
            "scheduled_version": None,
            "updated_at": action.at,
        }
        await row.update_from_dict(values).save(using_db=tx.db, update_fields=[*values])
        tx.audit(ContentAuditAction.ARTICLE_UNPUBLISH, row, None)
    return row


async def publish_due(action: Action) -> int:
    """Publish the versions whose time has come. Returns how many. Safe to run twice."""
    due = Article.filter(scheduled_at__lte=action.at)
    return await handle_each(due, partial(_publish_due, action), "article.not_published")


async def _publish_due(action: Action, key: int) -> bool:
    async with action.transaction() as tx:
        article = await tx.lock(Article, key)
        if article.scheduled_at is None or article.scheduled_at > action.at:
            return False
        version = await ArticleVersion.get(
            article_id=key, number=article.scheduled_version, using_db=tx.db
        )
        await _publish(tx, article, version)
        await article.save(using_db=tx.db)
        tx.audit(ContentAuditAction.ARTICLE_PUBLISH, article, None, version=version.number)
    return True
