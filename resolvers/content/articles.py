"""Articles of the help library."""

from typing import Annotated

import strawberry

from models.content.article import Article
from models.text import can_be_stored
from resolvers.arguments import LanguageArgument, SlugArgument
from resolvers.content.filters import ArticleFilter, ArticleOrder
from resolvers.context import Info
from resolvers.filters import accepted_values, filter_in, order_or_default
from resolvers.paging import (
    AfterArgument,
    BeforeArgument,
    DeferredPage,
    FirstArgument,
    LastArgument,
    Order,
    PageRequest,
    page,
)
from resolvers.rows import RowByKey


def articles(
    info: Info,
    search: Annotated[
        str | None,
        strawberry.argument(
            description="Words that must all occur. Case, accents and punctuation are ignored."
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
