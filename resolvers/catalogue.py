"""Offers and articles: what anyone may read."""

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry

from models.article import Article, ArticleCategory, ArticleKind
from models.locale import Locale
from models.offer import Offer, Price, Segment
from resolvers.context import Context, Info
from resolvers.paging import After, Before, First, Last, Order, Page, Window, page

Language = Annotated[Locale | None, strawberry.argument(description="The language of the text; the viewer's own unless told.")]
Slug = Annotated[str, strawberry.argument(description="The name in addresses, in lower case with hyphens.")]


async def offers(
    info: Info,
    segment: Annotated[Segment | None, strawberry.argument(description="Only offers made for this size of business.")] = None,
    first: First = None, after: After = None, last: Last = None, before: Before = None,
) -> Page:  # fmt: skip
    """The catalogue, in the vendor's order."""
    found = Offer.visible_to(info.context.viewer)
    found = found.filter(segment=segment) if segment else found
    return await page(found, Order("position"), Window(first, after, last, before), info.context.viewer)


async def offer(info: Info, slug: Slug) -> Offer | None:
    """One offer by its slug."""
    return await Offer.visible_to(info.context.viewer).get_or_none(slug=slug) if _is_slug(slug, 60) else None


async def prices(context: Context, parents: Sequence[Offer]) -> list[list[Price]]:
    """The prices on sale now of each offer, the shortest interval first."""
    found = (
        await Price.current(context.parts.clock.now()).filter(offer_id__in={o.pk for o in parents}).order_by("net_cents", "id")
    )
    return [[price for price in found if price.offer_id == offer.pk] for offer in parents]


async def offer_of_price(context: Context, parents: Sequence[Any]) -> list[Offer]:
    """The offer of each price or invoice."""
    found = await Offer.in_bulk({parent.offer_id for parent in parents}, "id")
    return [found[parent.offer_id] for parent in parents]


async def articles(
    info: Info,
    search: Annotated[
        str | None, strawberry.argument(description="Words that must all occur, whatever their case and accents.")
    ] = None,
    kind: Annotated[ArticleKind | None, strawberry.argument(description="Only this sort of help.")] = None,
    category: Annotated[ArticleCategory | None, strawberry.argument(description="Only about this part of the service.")] = None,
    locale: Language = None,
    first: First = None, after: After = None, last: Last = None, before: Before = None,
) -> Page:  # fmt: skip
    """The library, searched in one language."""
    viewer = info.context.viewer
    chosen = {"kind": kind, "category": category}
    found = Article.visible_to(viewer).filter(**{name: value for name, value in chosen.items() if value})
    if search:
        found = Article.matching(found, search, locale or viewer.locale)
    return await page(found, Order("position"), Window(first, after, last, before), viewer)


async def article(info: Info, slug: Slug) -> Article | None:
    """One article by its slug."""
    return await Article.visible_to(info.context.viewer).get_or_none(slug=slug) if _is_slug(slug, 100) else None


def _is_slug(text: str, length: int) -> bool:
    return len(text) <= length and text.isprintable()  # the column refuses a longer one, PostgreSQL a NUL
