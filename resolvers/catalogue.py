"""Offers and articles: what anyone may read."""

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry
from tortoise.queryset import QuerySet

from models.article import Article, ArticleCategory, ArticleKind
from models.locale import Locale
from models.offer import Offer, Price, Segment
from resolvers.context import Context, Info
from resolvers.paging import After, Before, First, Last, OnePage, Order, Window, page
from resolvers.rows import ByKey, ByParent, One

Language = Annotated[Locale | None, strawberry.argument(description="The language of the text; the viewer's own unless told.")]
Slug = Annotated[str, strawberry.argument(description="The name in addresses, in lower case with hyphens.")]


def offers(
    info: Info,
    segment: Annotated[Segment | None, strawberry.argument(description="Only offers made for this size of business.")] = None,
    first: First = None, after: After = None, last: Last = None, before: Before = None,
) -> OnePage:  # fmt: skip
    """The catalogue, in the vendor's order."""
    found = Offer.visible_to(info.context.viewer)
    found = found.filter(segment=segment) if segment else found
    return page(found, Order("position"), Window(first, after, last, before), info.context.viewer)


def offer(info: Info, slug: Slug) -> One | None:
    """One offer by its slug."""
    return One(Offer.visible_to(info.context.viewer), "slug", slug) if _is_slug(slug, 60) else None


def prices(context: Context, parents: Sequence[Offer]) -> ByParent:
    """The prices on sale now of each offer, the shortest interval first."""
    return ByParent(parents, Price.current(context.services.clock.now()), "offer_id", "net_cents", "id")


def offer_of_price(context: Context, parents: Sequence[Any]) -> ByKey:
    """The offer of each price or invoice."""
    return ByKey(parents, "offer_id", QuerySet(Offer))


def articles(
    info: Info,
    search: Annotated[
        str | None, strawberry.argument(description="Words that must all occur, whatever their case and accents.")
    ] = None,
    kind: Annotated[ArticleKind | None, strawberry.argument(description="Only this sort of help.")] = None,
    category: Annotated[ArticleCategory | None, strawberry.argument(description="Only about this part of the service.")] = None,
    locale: Language = None,
    first: First = None, after: After = None, last: Last = None, before: Before = None,
) -> OnePage:  # fmt: skip
    """The library, searched in one language."""
    viewer = info.context.viewer
    chosen = {"kind": kind, "category": category}
    found = Article.visible_to(viewer).filter(**{name: value for name, value in chosen.items() if value})
    if search:
        found = Article.matching(found, search, locale or viewer.locale)
    return page(found, Order("position"), Window(first, after, last, before), viewer)


def article(info: Info, slug: Slug) -> One | None:
    """One article by its slug."""
    return One(Article.visible_to(info.context.viewer), "slug", slug) if _is_slug(slug, 100) else None


def _is_slug(text: str, length: int) -> bool:
    return len(text) <= length and text.isprintable()  # the column refuses a longer one, PostgreSQL a NUL
