"""Writes the offers, articles and policies into the database. Safe to run twice: what is unchanged stays."""

from datetime import datetime
from pathlib import Path

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.transactions import in_transaction

from models.article import Article, ArticleTexts, searched
from models.clock import local_date
from models.locale import Locale
from models.offer import Interval, Offer, OfferTexts, Price
from seed import policies
from seed.content import ArticleContent, ArticleText, OfferContent, OfferText
from seed.content import articles as written_articles
from seed.content import offers as written_offers


async def load(at: datetime, texts: Path = policies.FOLDER) -> None:
    """Install the policies of the folder `texts`, sell the offers and publish the articles, from `at` on.

    Raises ValueError for faulty content.
    """
    await policies.install(at, policies.written(texts))
    await sell(at, written_offers())
    await publish(at, written_articles())


async def sell(at: datetime, offers: list[OfferContent]) -> None:
    """Put the offers on sale in this order. A changed price closes the version before; no version is ever rewritten."""
    async with in_transaction() as db:
        for position, content in enumerate(offers, 1):
            facts = {"segment": content.segment, "position": position, "texts": _offer_texts(content)}
            offer, _ = await Offer.update_or_create(facts, slug=content.slug, using_db=db)
            await _price(db, at, offer, Interval.MONTH, content.monthly_net_cents, content.vat_basis_points)
            await _price(db, at, offer, Interval.YEAR, content.yearly_net_cents, content.vat_basis_points)


def _offer_texts(content: OfferContent) -> dict[str, OfferTexts]:
    return {Locale.FR.value: _offer_text(content.fr), Locale.EN.value: _offer_text(content.en)}


def _offer_text(text: OfferText) -> OfferTexts:
    return OfferTexts(
        name=text.name, description=text.description, features=list(text.features), advantages=list(text.advantages)
    )


async def _price(db: BaseDBAsyncClient, at: datetime, offer: Offer, interval: Interval, net_cents: int, vat_rate: int) -> None:
    running = Price.filter(offer_id=offer.pk, interval=interval, valid_until=None)
    known = await running.using_db(db).first()
    if known and (known.net_cents, known.vat_rate) == (net_cents, vat_rate):
        return
    await running.using_db(db).update(valid_until=at)
    await Price.create(using_db=db, offer=offer, interval=interval, net_cents=net_cents, vat_rate=vat_rate, valid_from=at)


async def publish(at: datetime, articles: list[ArticleContent]) -> None:
    """Publish the articles in this order. A webinar keeps the date it was first announced for."""
    async with in_transaction() as db:
        known = {article.slug: article for article in await Article.all().using_db(db)}
        for position, content in enumerate(articles, 1):
            await _article(at, position, content, known.get(content.slug)).save(using_db=db)


def _article(at: datetime, position: int, content: ArticleContent, known: Article | None) -> Article:
    texts = {Locale.FR.value: _article_text(content.fr), Locale.EN.value: _article_text(content.en)}
    article = known or Article(slug=content.slug, starts_at=_starts(at, content))
    return article.update_from_dict(
        {
            "kind": content.kind, "category": content.category, "position": position, "texts": texts,
            "searched_fr": searched(texts["fr"]), "searched_en": searched(texts["en"]),
            "media": content.media, "duration_seconds": content.duration_seconds,
        }
    )  # fmt: skip


def _article_text(text: ArticleText) -> ArticleTexts:
    return ArticleTexts(title=text.title, summary=text.summary, body=text.body)


def _starts(at: datetime, content: ArticleContent) -> datetime | None:
    return content.webinar.starts(local_date(at)) if content.webinar else None
