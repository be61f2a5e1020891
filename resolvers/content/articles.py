"""Articles of the help library."""

from typing import Annotated

import strawberry

from models.content.article import Article, ArticleCategory, ArticleKind
from resolvers.arguments import Language, Slug, is_slug
from resolvers.context import Info
from resolvers.paging import After, Before, First, Last, OnePage, Order, Window, page
from resolvers.rows import One


def articles(
    info: Info,
    search: Annotated[
        str | None, strawberry.argument(description="Words that must all occur. Case and accents are ignored.")
    ] = None,
    kind: Annotated[ArticleKind | None, strawberry.argument(description="Only articles of this kind.")] = None,
    category: Annotated[ArticleCategory | None, strawberry.argument(description="Only articles of this category.")] = None,
    locale: Language = None,
    first: First = None, after: After = None, last: Last = None, before: Before = None,
) -> OnePage:  # fmt: skip
    """Search the help library in one language."""
    viewer = info.context.viewer
    chosen = {"kind": kind, "category": category}
    found = Article.visible_to(viewer).filter(**{name: value for name, value in chosen.items() if value})
    if search:
        found = Article.matching(found, search, locale or viewer.locale)
    return page(found, Order("position"), Window(first, after, last, before), viewer)


def article(info: Info, slug: Slug) -> One | None:
    """The article with a slug."""
    return One(Article.visible_to(info.context.viewer), "slug", slug) if is_slug(slug, 100) else None
