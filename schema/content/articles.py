"""Articles of the help library."""

from datetime import datetime

import strawberry

import models.content.article
import models.content.article_feedback
import models.content.article_version
from models.content.article import ArticleCategory, ArticleKind
from models.content.article_feedback import FeedbackReason
from resolvers.content import articles as article_resolvers
from resolvers.content import editing as editing_resolvers
from resolvers.content import webinars as webinar_resolvers
from schema.content.webinars import WebinarPlaces, WebinarSignUp
from schema.fields import connection, edge, field, localized_field, viewer_field
from schema.identity.users import User
from schema.nodes import Connection, Node, backed_by
from schema.texts import text_of
from schema.user_errors import UserError, errors


@strawberry.type(description="One reader's feedback on an article.")
@backed_by(models.content.article_feedback.ArticleFeedback)
class ArticleFeedback(Node):
    is_useful: bool = field("Whether the article was useful.")
    reason: FeedbackReason | None = field("Why it wasn't useful. Null when none was given.")
    comment: str = field("What the reader added. Empty when they added nothing.", cost=3)
    version: int = field("The version of the article that they read.")
    at: datetime = field("When the feedback was given.")


@strawberry.type(description="How many readers gave a reason why an article wasn't useful.")
class FeedbackReasonCount:
    reason: FeedbackReason = field("The reason.", lambda root: root[0])
    count: int = field("The number of readers.", lambda root: root[1])


@strawberry.type(description="A summary of the readers' feedback on an article.")
class ArticleFeedbackSummary:
    useful_count: int = field("The number of readers who found it useful.")
    not_useful_count: int = field("The number of readers who didn't find it useful.")
    useful_share: float | None = field(
        "The share of readers who found it useful, from 0 to 1. Null without feedback."
    )
    reasons: list[FeedbackReasonCount] = field("The reasons given, most frequent first.")


@strawberry.type(
    description="A version of an article's texts, which never changes. Only supervisors and "
    "operators see versions."
)
@backed_by(models.content.article_version.ArticleVersion)
class ArticleVersion(Node):
    number: int = field("The number of the version, from 1.")
    title: str = localized_field(text_of("title"), description="The title.", needs=("texts",))
    summary: str = localized_field(text_of("summary"), description="The summary.", needs=("texts",))
    body: str = localized_field(
        text_of("body"), description="The text in Markdown.", needs=("texts",), cost=10
    )
    created_at: datetime = field("When the version was written.")
    published_at: datetime | None = field(
        "When the version was last published. Null when it never was."
    )
    editor: User | None = edge(
        editing_resolvers.editors,
        needs=("editor_id",),
        description="Who wrote the version. Null for one that came with the installation.",
    )


@strawberry.type(description="An article of the help library.")
@backed_by(models.content.article.Article)
class Article(Node):
    slug: str = field("The identifier used in URLs.")
    kind: ArticleKind = field("The kind of article.")
    category: ArticleCategory = field("The part of the service that the article covers.")
    title: str = localized_field(text_of("title"), description="The title.", needs=("texts",))
    summary: str = localized_field(
        text_of("summary"),
        description="A one-sentence summary of what the article answers.",
        needs=("texts",),
    )
    body: str = localized_field(
        text_of("body"),
        description="The text in Markdown. For a video, its transcript.",
        needs=("texts",),
        cost=10,
    )
    media: str | None = field(
        "The name of the video among the vendor's own files. Null for other kinds; `videoUrl` is "
        "where a video can be watched."
    )
    video_url: str | None = edge(
        editing_resolvers.video_urls,
        needs=("id", "slug", "video_url", "published_at"),
        description=(
            "Where the video can be watched: a link to another site, or the URL of an MP4 or MOV "
            "file, which supports range requests. Null without a video."
        ),
    )
    published_at: datetime | None = field(
        "When the article was last published. Null for a draft, which only supervisors and "
        "operators see."
    )
    published_version: int | None = viewer_field(
        editing_resolvers.published_versions,
        needs=("published_version", "published_at"),
        description="The number of the version that readers see. Null for a draft, and unless the "
        "viewer is a supervisor or an operator.",
    )
    latest_version: int | None = viewer_field(
        editing_resolvers.latest_versions,
        needs=("latest_version",),
        description="The number of the latest version. Null unless the viewer is a supervisor or "
        "an operator.",
    )
    scheduled_version: int | None = viewer_field(
        editing_resolvers.scheduled_versions,
        needs=("scheduled_version",),
        description="The number of the version that will be published at `scheduledAt`. Null "
        "when none will be, and unless the viewer is a supervisor or an operator.",
    )
    scheduled_at: datetime | None = viewer_field(
        editing_resolvers.scheduled_times,
        needs=("scheduled_at",),
        description="When `scheduledVersion` will be published.",
    )
    versions: Connection[ArticleVersion] = connection(
        editing_resolvers.versions,
        description="The versions of the article, most recent first. Empty unless the viewer is a "
        "supervisor or an operator, and for an article that nobody has changed since the "
        "installation.",
    )
    duration_seconds: int | None = field("The duration of a video or webinar, in seconds.")
    starts_at: datetime | None = field(
        "When the webinar starts. Null for other kinds, and for one without a date yet."
    )
    ends_at: datetime | None = field(
        "When the webinar ends.", needs=("starts_at", "duration_seconds")
    )
    canceled_at: datetime | None = field("When the webinar was canceled. Null unless it was.")
    places: WebinarPlaces | None = edge(
        webinar_resolvers.counts,
        needs=("id", "kind", "capacity"),
        cost=5,
        description="How many places the webinar has. Null for other kinds.",
    )
    join_url: str | None = edge(
        webinar_resolvers.join_urls,
        needs=("id", "join_url"),
        description="The link to join the webinar, for those who have a place, supervisors and "
        "operators. Null for everyone else, and without a link.",
    )
    calendar_url: str | None = viewer_field(
        webinar_resolvers.calendar_urls,
        needs=("slug", "kind", "starts_at", "published_at"),
        description="The URL of the webinar's calendar file (RFC 5545). Null for other kinds.",
    )
    viewer_sign_up: WebinarSignUp | None = edge(
        webinar_resolvers.own_sign_ups,
        description="The viewer's place in the webinar. Null when they haven't signed up.",
    )
    sign_ups: Connection[WebinarSignUp] = connection(
        webinar_resolvers.sign_ups,
        description=(
            "The sign-ups for the webinar, earliest first: all of them for supervisors and "
            "operators, only the viewer's own for everyone else."
        ),
    )
    viewer_feedback: ArticleFeedback | None = edge(
        article_resolvers.own_feedback,
        description=(
            "The viewer's feedback on the article. Null when they gave none, and for visitors "
            "without a session."
        ),
    )
    feedback_summary: ArticleFeedbackSummary | None = edge(
        article_resolvers.feedback_summaries,
        cost=5,
        description=(
            "A summary of the readers' feedback on the article. Null unless the viewer is a "
            "supervisor or an operator."
        ),
    )
    feedback: Connection[ArticleFeedback] = connection(
        article_resolvers.feedback_of,
        description=(
            "The readers' feedback on the article, most recent first: all of it for supervisors "
            "and operators, only the viewer's own for everyone else."
        ),
    )


@strawberry.type(description="The result of giving feedback.")
class ArticleGiveFeedbackPayload:
    feedback: ArticleFeedback | None = field("What is stored now.")
    user_errors: list[UserError] = errors()


@strawberry.type(description="The result of a change to an article.")
class ArticlePayload:
    article: Article | None = field("The article after the change.")
    user_errors: list[UserError] = errors()
