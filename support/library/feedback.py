"""Readers say whether an article was useful, once each. They can change their mind."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from auth import throttle
from auth.services import AuthServices
from models.action import Action
from models.checks import Checks
from models.content.article import Article
from models.content.article_feedback import COMMENT_LENGTH, ArticleFeedback, FeedbackReason
from models.database.sql import execute, fetch_records
from models.errors import CommonErrorCode, Refusal
from models.text import client_key, message_text
from models.translations import _
from models.viewer import Viewer

_MIN_VISITOR_LENGTH = 16
_STORE = (
    "INSERT INTO article_feedback (article_id, user_id, visitor, is_useful, reason, comment, "
    "version, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (article_id, {}) DO UPDATE SET "
    "is_useful = excluded.is_useful, reason = excluded.reason, comment = excluded.comment, "
    "version = excluded.version, at = excluded.at"
)
_COUNT = (
    "SELECT article_id, is_useful, reason, COUNT(*) FROM article_feedback "
    "WHERE article_id IN ({}) GROUP BY article_id, is_useful, reason"
)


@dataclass(frozen=True)
class Reader:
    """A reader: the viewer, the network that they use, and the ID that a visitor's browser
    chose.
    """

    viewer: Viewer
    network: str
    visitor_id: str | None = None


@dataclass(frozen=True)
class FeedbackSummary:
    """The feedback of an article's readers."""

    useful_count: int
    not_useful_count: int
    reasons: tuple[tuple[FeedbackReason, int], ...]

    @property
    def useful_share(self) -> float | None:
        """The share of readers who found it useful, None without feedback."""
        total = self.useful_count + self.not_useful_count
        return self.useful_count / total if total else None


async def give_feedback(
    action: Action,
    auth: AuthServices,
    reader: Reader,
    article: Article | None,
    *,
    is_useful: bool,
    reason: FeedbackReason | None,
    comment: str | None,
) -> ArticleFeedback:
    """Store what a reader thinks of an article, in place of their earlier feedback.

    Raises NOT_FOUND, BLANK and VALUE_INVALID for the visitor's ID, VALUE_INVALID for a reason when
    it was useful, TOO_LONG and Throttled.
    """
    with Checks() as check:
        if article is None:
            check.refuse(Refusal(CommonErrorCode.NOT_FOUND, "input", "articleId"))
        if is_useful and reason:
            message = _("Give a reason only when the article wasn’t useful.")
            check.refuse(Refusal(CommonErrorCode.VALUE_INVALID, "input", "reason", message=message))
        text = check(message_text, comment, "comment", COMMENT_LENGTH) if comment else ""
        visitor = check(_visitor, reader)
    assert article, "it was checked"  # noqa: S101
    user_id = reader.viewer.user_id
    await auth.throttle.attempt(throttle.key(throttle.ARTICLE_FEEDBACK, user_id or reader.network))
    async with action.transaction() as tx:
        await execute(
            _STORE.format("user_id" if user_id else "visitor"),
            article.pk,
            user_id,
            None if user_id else visitor,
            is_useful,
            reason.value if reason else None,
            text,
            article.published_version,
            action.at,
            db=tx.db,
        )
        return await ArticleFeedback.get(
            article_id=article.pk,
            **({"user_id": user_id} if user_id else {"visitor": visitor}),
            using_db=tx.db,
        )


def _visitor(reader: Reader) -> str | None:
    """The hash of a visitor's ID, None for somebody who is signed in."""
    if reader.viewer.user_id:
        return None
    visitor_id = client_key(reader.visitor_id or "", "visitorId")
    if len(visitor_id) < _MIN_VISITOR_LENGTH:
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "visitorId")
    return hashlib.sha256(visitor_id.encode("utf-8", "surrogatepass")).hexdigest()


async def summaries(article_ids: Sequence[int]) -> dict[int, FeedbackSummary]:
    """The feedback of the readers of each of these articles."""
    records = await fetch_records(_COUNT.format(", ".join("?" * len(article_ids))), *article_ids)
    return {key: _summary([row for row in records if row[0] == key]) for key in article_ids}


def _summary(records: Sequence[Any]) -> FeedbackSummary:
    counts = [(bool(useful), reason, int(count)) for _key, useful, reason, count in records]
    reasons = [(FeedbackReason(reason), count) for _useful, reason, count in counts if reason]
    return FeedbackSummary(
        sum(count for useful, _reason, count in counts if useful),
        sum(count for useful, _reason, count in counts if not useful),
        tuple(sorted(reasons, key=lambda each: (-each[1], each[0].value))),
    )
