"""Articles of the help library."""

from datetime import datetime

import strawberry

import models.content.article
from models.content.article import ArticleCategory, ArticleKind
from schema.fields import field, localized_field
from schema.nodes import Node, backed_by
from schema.texts import text_of


@strawberry.type(description="An article of the library.")
@backed_by(models.content.article.Article)
class Article(Node):
    slug: str = field("Its name in addresses.")
    kind: ArticleKind = field("What sort of help it is.")
    category: ArticleCategory = field("The part of the service it is about.")
    title: str = localized_field(text_of("title"), description="Its title.", needs=("texts",))
    summary: str = localized_field(text_of("summary"), description="What it answers, in a sentence.", needs=("texts",))
    body: str = localized_field(
        text_of("body"), description="The text in Markdown; of a video, its transcript.", needs=("texts",)
    )
    media: str | None = field("The name under which a video is played, null for the others.")
    duration_seconds: int | None = field("How long a video or a webinar takes.")
    starts_at: datetime | None = field("When a webinar begins, null for the others.")
