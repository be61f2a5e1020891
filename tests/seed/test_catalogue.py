"""Installing the catalogue once or repeatedly never changes what was sold."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tortoise.exceptions import IntegrityError

from models.billing.offer import Interval, Offer, OfferStatus, Price
from models.content.article import Article
from models.locale import Locale
from seed import catalogue
from seed.content import articles, demonstration_articles, offers

if TYPE_CHECKING:
    from tests.conftest import MovableClock


async def stored_rows() -> list[list[dict[str, Any]]]:
    return [await model.all().order_by("id").values() for model in (Offer, Price, Article)]


async def test_all_offers_and_articles_are_installed(db: str, clock: "MovableClock") -> None:
    await catalogue.load(clock.now(), demonstration=True)
    offer = await Offer.get(slug="tpe-complet")
    assert offer.text(Locale.FR)["advantages"] == list(
        next(o for o in offers() if o.slug == "tpe-complet").fr.advantages
    )
    prices = {
        price.interval: price.gross.cents
        async for price in Price.current(clock.now()).filter(offer_id=offer.pk)
    }
    assert prices == {Interval.MONTH: 9480, Interval.YEAR: 94800}
    assert await Offer.all().count() == len(offers())
    assert await Article.all().count() == len(demonstration_articles())
    assert await Article.matching(Article.all(), "RGPD", Locale.FR).exists()


async def test_positions_are_consecutive(db: str, clock: "MovableClock") -> None:
    await catalogue.load(clock.now(), demonstration=True)
    for model in (Offer, Article):
        positions = [
            row["position"] for row in await model.all().order_by("position").values("position")
        ]
        assert positions == list(range(1, len(positions) + 1))


async def test_installing_again_changes_nothing(db: str, clock: "MovableClock") -> None:
    await catalogue.load(clock.now(), demonstration=True)
    before = await stored_rows()
    clock.advance(timedelta(days=40))
    await catalogue.load(clock.now(), demonstration=True)
    assert await stored_rows() == before


async def test_a_webinar_keeps_its_announced_date(db: str, clock: "MovableClock") -> None:
    await catalogue.load(clock.now(), demonstration=True)
    before = {row.slug: row.starts_at async for row in Article.filter(kind="WEBINAR")}
    assert before
    assert all(isinstance(at, datetime) and at > clock.now() for at in before.values())
    clock.advance(timedelta(days=3))
    await catalogue.load(clock.now(), demonstration=True)
    assert {row.slug: row.starts_at async for row in Article.filter(kind="WEBINAR")} == before


async def test_offers_that_exist_belong_to_the_operators(db: str, clock: "MovableClock") -> None:
    content = offers()
    await catalogue.install_offers(clock.now(), content[1:])
    offer = await Offer.get(slug=content[1].slug)
    offer.status, offer.position = OfferStatus.WITHDRAWN, 7
    await offer.save()
    await Price.filter(offer_id=offer.pk).update(net_cents=1)
    clock.advance(timedelta(days=1))
    await catalogue.install_offers(clock.now(), content)
    await offer.refresh_from_db()
    assert (offer.status, offer.position) == (OfferStatus.WITHDRAWN, 7)
    assert {price.net_cents async for price in Price.filter(offer_id=offer.pk)} == {1}
    assert await Price.current(clock.now()).filter(offer__slug=content[0].slug).count() == 2


async def test_a_changed_text_is_replaced_and_searchable(db: str, clock: "MovableClock") -> None:
    content = articles()
    await catalogue.install_articles(clock.now(), content)
    changed_article = replace(content[0], fr=replace(content[0].fr, title="Une girafe"))
    await catalogue.install_articles(clock.now(), [changed_article, *content[1:]])
    assert [row.slug async for row in Article.matching(Article.all(), "girafe", Locale.FR)] == [
        changed_article.slug
    ]
    assert await Article.all().count() == len(content)


async def test_articles_are_removed_only_with_those_that_replace_them(
    db: str, clock: "MovableClock"
) -> None:
    await catalogue.load(clock.now(), demonstration=True)
    before = await stored_rows()
    article = replace(articles()[0], slug="new")
    with pytest.raises(IntegrityError):
        await catalogue.install_articles(clock.now(), [article, article], {articles()[0].slug})
    assert await stored_rows() == before
    await catalogue.install_articles(clock.now(), [article], {articles()[0].slug})
    assert await Article.filter(slug="new").exists()
    assert not await Article.filter(slug=articles()[0].slug).exists()


def test_no_offer_has_a_trial_until_trials_can_be_bought() -> None:
    assert {offer.trial_days for offer in offers()} == {0}
