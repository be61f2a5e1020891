"""Articles of the help library."""

from collections.abc import Sequence
from typing import Annotated

import strawberry

from auth import throttle
from engine import Deferred
from models.content.article import Article
from models.content.article_feedback import ArticleFeedback
from models.errors import BadInput
from models.text import can_be_stored
from models.translations import _
from resolvers.arguments import LanguageArgument, SlugArgument
from resolvers.content.filters import ArticleFilter, ArticleOrder
from resolvers.content.inputs import ArticleGiveFeedbackInput
from resolvers.context import Context, Info
from resolvers.filters import accepted_values, filter_in, order_or_default
from resolvers.ids import key_of
from resolvers.paging import (
    AfterArgument,
    BeforeArgument,
    DeferredPage,
    FirstArgument,
    LastArgument,
    Order,
    PageRequest,
    page,
    pages_of,
)
from resolvers.rows import FirstRowByParent, RowByKey
from support.library import feedback
from support.library.feedback import FeedbackSummary, Reader
from support.library.suggestions import MAX_LENGTH, suggest

MAX_SUGGESTIONS = 10
NEWEST_FIRST = Order("id", descending=True)


def articles(
    info: Info,
    search: Annotated[
        str | None,
        strawberry.argument(
            description="Words that must all occur, in any form. Case, accents, punctuation and "
            "words such as “the” are ignored."
        ),
    ] = None,
    filter: Annotated[
        ArticleFilter | None,
        strawberry.argument(description="Conditions on the articles to return."),
    ] = None,
    order_by: Annotated[
        ArticleOrder | None,
        strawberry.argument(description="The order of the list. Defaults to the vendor's order."),
    ] = None,
    locale: LanguageArgument = None,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> DeferredPage:
    """Search the help library in one language."""
    viewer = info.context.viewer
    conditions = filter or ArticleFilter()
    rows = filter_in(Article.visible_to(viewer), "kind", accepted_values(conditions.kind))
    rows = filter_in(rows, "category", accepted_values(conditions.category))
    if conditions.is_published is not None:
        rows = rows.filter(published_at__isnull=not conditions.is_published)
    if search:
        rows = Article.matching(rows, search, locale or viewer.locale)
    return page(
        rows,
        order_or_default(order_by, Order("position")),
        PageRequest(first, after, last, before),
        viewer,
    )


def article(info: Info, slug: SlugArgument) -> RowByKey | None:
    """The article with a slug."""
    return (
        RowByKey(Article.visible_to(info.context.viewer), "slug", slug)
        if can_be_stored(slug, 100)
        else None
    )


async def suggestions(
    info: Info,
    text: Annotated[
        str,
        strawberry.argument(
            description="What the user has written so far: a subject and a message, at most 8,200 "
            "characters. It isn't stored."
        ),
    ],
    locale: LanguageArgument = None,
    first: Annotated[
        int, strawberry.argument(description="How many articles to return, at most 10.")
    ] = 3,
) -> list[Article]:
    """The articles that may answer a text, best first."""
    viewer = info.context.viewer
    if not 1 <= first <= MAX_SUGGESTIONS:
        message = _("“%(argument)s” must be between 1 and %(maximum)s.")
        raise BadInput("first", message, maximum=MAX_SUGGESTIONS)
    if len(text) > MAX_LENGTH:
        message = _("“%(argument)s” can have at most %(maximum)s characters.")
        raise BadInput("text", message, maximum=MAX_LENGTH)
    keys = await suggest(text, locale or viewer.locale, first)
    rows = {row.pk: row for row in await Article.visible_to(viewer).filter(id__in=keys)}
    return [rows[key] for key in keys if key in rows]


async def give_feedback(info: Info, input: ArticleGiveFeedbackInput) -> ArticleFeedback:
    """Store a reader's feedback on an article."""
    context = info.context
    key = key_of(Article, input.article_id)
    return await feedback.give_feedback(
        context.action(),
        context.services.auth,
        Reader(context.viewer, throttle.client_network(context.client_address), input.visitor_id),
        await Article.visible_to(context.viewer).get_or_none(pk=key),
        is_useful=input.is_useful,
        reason=input.reason,
        comment=input.comment,
    )


def own_feedback(context: Context, parents: Sequence[Article]) -> FirstRowByParent:
    """The viewer's own feedback on each article."""
    rows = ArticleFeedback.filter(user_id=context.viewer.user_id or 0)
    return FirstRowByParent(parents, rows, "article_id", "id")


async def feedback_summaries(
    context: Context, parents: Sequence[Article]
) -> list[FeedbackSummary | None]:
    """The feedback of readers on each article, for editors."""
    if not context.viewer.is_editor:
        return [None] * len(parents)
    found = await feedback.summaries([article.pk for article in parents])
    return [found[article.pk] for article in parents]


def feedback_of(
    context: Context, parents: Sequence[Article], page_request: PageRequest
) -> Deferred:
    """One page of the feedback on each article."""
    return pages_of(
        parents, ArticleFeedback, "article_id", NEWEST_FIRST, page_request, context.viewer
    )
