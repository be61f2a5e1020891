"""Articles of the help library."""

from datetime import datetime

import strawberry

import models.content.article
from models.content.article import ArticleCategory, ArticleKind
from schema.fields import field, localized_field
from schema.nodes import Node, backed_by
from schema.texts import text_of


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
    media: str | None = field("The file name of the video. Null for other kinds.")
    duration_seconds: int | None = field("The duration of a video or webinar, in seconds.")
    starts_at: datetime | None = field("When the webinar starts. Null for other kinds.")
