"""Install the offers, articles, policies and VAT rules in the database. Safe to run twice:
unchanged content stays as it is.
"""

from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from tortoise.transactions import in_transaction

from models.billing.offer import Interval, Offer, OfferTexts, Price
from models.clock import local_date
from models.content.article import Article, ArticleTexts
from models.locale import Locale
from seed import policies, tax_rules
from seed.content import (
    ArticleContent,
    ArticleText,
    OfferContent,
    OfferText,
    demonstration_articles,
)
from seed.content import articles as article_contents
from seed.content import offers as offer_contents


async def load(
    at: datetime,
    texts: Path = policies.FOLDER,
    *,
    demonstration: bool = False,
    tax_rules_path: Path = tax_rules.PATH,
) -> None:
    """Install the policies from the folder `texts` and the VAT rules, put the offers on sale and
    publish the articles, as of `at`. The demonstration's own articles are published only there, and
    removed elsewhere.

    Raises ValueError for invalid content.
    """
    await policies.install(at, policies.read_policies(texts))
    await tax_rules.install(tax_rules.read_rules(tax_rules_path))
    await install_offers(at, offer_contents())
    if demonstration:
        await install_articles(at, demonstration_articles())
        return
    articles = article_contents()
    demonstration_slugs = {article.slug for article in demonstration_articles()}
    await install_articles(
        at, articles, demonstration_slugs - {article.slug for article in articles}
    )


async def install_offers(at: datetime, offers: list[OfferContent]) -> None:
    """Put the offers on sale in this order. Existing offers belong to the operators, who change
    them through the API, so they stay as they are.
    """
    async with in_transaction() as db:
        existing_slugs = {offer.slug for offer in await Offer.all().using_db(db)}
        for position, content in enumerate(offers, 1):
            if content.slug in existing_slugs:
                continue
            offer = await Offer.create(
                using_db=db,
                slug=content.slug,
                segment=content.segment,
                position=position,
                texts=_build_offer_texts(content),
            )
            monthly, yearly = content.monthly_net_cents, content.yearly_net_cents
            for interval, net_cents in ((Interval.MONTH, monthly), (Interval.YEAR, yearly)):
                await Price.create(
                    using_db=db,
                    offer=offer,
                    interval=interval,
                    net_cents=net_cents,
                    vat_rate=content.vat_basis_points,
                    valid_from=at,
                )


def _build_offer_texts(content: OfferContent) -> dict[str, OfferTexts]:
    return {
        Locale.FR.value: _build_offer_text(content.fr),
        Locale.EN.value: _build_offer_text(content.en),
    }


def _build_offer_text(text: OfferText) -> OfferTexts:
    return OfferTexts(
        name=text.name,
        description=text.description,
        features=list(text.features),
        advantages=list(text.advantages),
    )


async def install_articles(
    at: datetime, articles: list[ArticleContent], removed_slugs: Collection[str] = ()
) -> None:
    """Publish the articles in this order, and remove those with `removed_slugs`. A webinar keeps
    the date for which it was first announced.
    """
    async with in_transaction() as db:
        await Article.filter(slug__in=removed_slugs).using_db(db).delete()
        articles_by_slug = {article.slug: article for article in await Article.all().using_db(db)}
        for position, content in enumerate(articles, 1):
            await _build_article(at, position, content, articles_by_slug.get(content.slug)).save(
                using_db=db
            )


def _build_article(
    at: datetime, position: int, content: ArticleContent, existing: Article | None
) -> Article:
    texts = {
        Locale.FR.value: _build_article_text(content.fr),
        Locale.EN.value: _build_article_text(content.en),
    }
    article = existing or Article(
        slug=content.slug, starts_at=_starts_at(at, content), published_at=at
    )
    article.update_from_dict(
        {
            "kind": content.kind,
            "category": content.category,
            "position": position,
            "media": content.media,
            "duration_seconds": content.duration_seconds,
        }
    )
    # What editors have changed stays.
    if article.latest_version == 1 and (existing is None or article.texts != texts):
        article.set_texts(texts, at)
    return article


def _build_article_text(text: ArticleText) -> ArticleTexts:
    return ArticleTexts(title=text.title, summary=text.summary, body=text.body)


def _starts_at(at: datetime, content: ArticleContent) -> datetime | None:
    return content.webinar.start_time(local_date(at)) if content.webinar else None
