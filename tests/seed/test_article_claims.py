"""The articles of an installation promise only what the API does. Articles that describe services
of the demonstration's vendor are published in a demonstration only.
"""

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, build_schema

from auth.passwords import MAX_LENGTH, MIN_LENGTH
from auth.tokens import LIFETIME, Purpose
from billing.checkout import DRAFT_TIME
from models.content.article import Article
from seed import catalogue
from seed.content import ArticleContent, articles, demonstration_articles

if TYPE_CHECKING:
    from tests.conftest import MovableClock

SCHEMA = build_schema((Path(__file__).parents[2] / "schema.graphql").read_text(encoding="utf-8"))
FIELDS = {
    f"{name}.{field}"
    for name, kind in SCHEMA.type_map.items()
    if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
    for field in kind.fields
}
INSTALLED_ARTICLES = {each.slug: each for each in articles()}
ALL_ARTICLES = {each.slug: each for each in demonstration_articles()}
# Whoever mentions one of these needs a field with such a name.
CLAIMS = {
    r"export|\bCSV\b|\bZIP\b|archive": "(?i)export|archive",
    r"virement|transfer\b|plateforme en ligne|online platform": "(?i)transfer|iban",
    r"moyens de paiement|means of payment (?:up|settings)|add one": "(?i)paymentMethods",
    r"rembours|refund": "(?i)refund",
    r"contest|dispute": "(?i)dispute",
    r"avoirs?\b(?= |,|\.)|credit notes?": "(?i)creditNote",
    r"escalad|escalat|second avis|second opinion": "(?i)escalat",
    r"webinaire|webinar": "(?i)webinar\\w*(?:sign|register)",
    r"relance|reminder": "(?i)reminder",
    r"suspen(?:du|sion|d)": "(?i)suspend",
    r"annuler|résili|cancel at any time": "(?i)purchaseCancel|subscription",
    r"consentement|consent\b|newsletter|lettre d’information": "(?i)consent",
    r"téléphonez|appelez|\*\*Phone\*\*|\*\*Téléphone\*\*|by phone|par téléphone": "(?i)callback",
    r"file d’attente|place in the queue": "(?i)queuePosition",
    r"changer d’offre|changing offers": "(?i)purchaseChange",
    r"essai gratuit|free trial": "(?i)trial",
}


def texts_of(article: ArticleContent) -> str:
    return "\n".join(
        f"{text.title}\n{text.summary}\n{text.body}" for text in (article.fr, article.en)
    )


def unsupported_claims(article: ArticleContent) -> list[str]:
    """What the article promises although no field of the schema can do it."""
    return [
        claim
        for claim, field in CLAIMS.items()
        if re.search(claim, texts_of(article), re.I)
        and not any(re.search(field, each) for each in FIELDS)
    ]


@pytest.mark.parametrize("slug", INSTALLED_ARTICLES)
def test_an_article_names_the_fields_that_do_what_it_says(slug: str) -> None:
    operations = INSTALLED_ARTICLES[slug].operations
    assert operations
    assert [each for each in operations if each not in FIELDS] == []


@pytest.mark.parametrize("slug", INSTALLED_ARTICLES)
def test_an_installed_article_promises_nothing_that_does_not_exist(slug: str) -> None:
    assert unsupported_claims(INSTALLED_ARTICLES[slug]) == []


def test_unsupported_promises_are_detected() -> None:
    demonstration_slugs = {slug for slug in ALL_ARTICLES if slug not in INSTALLED_ARTICLES}
    detected_slugs = {
        slug for slug in demonstration_slugs if unsupported_claims(ALL_ARTICLES[slug])
    }
    assert "dispute-an-invoice" in detected_slugs
    assert len(detected_slugs) > 10


# The numbers in installed articles, which the code decides.
NUMBERS = {
    "buy-an-offer": {DRAFT_TIME.days},
    "getting-started": {MIN_LENGTH, int(LIFETIME[Purpose.VERIFY_EMAIL].total_seconds() // 3600)},
    "invite-colleagues": {MIN_LENGTH},
    "strengthen-security": {MIN_LENGTH, MAX_LENGTH},
}


@pytest.mark.parametrize("slug", INSTALLED_ARTICLES)
def test_an_installed_article_states_the_numbers_of_the_code(slug: str) -> None:
    article = INSTALLED_ARTICLES[slug]
    for text in (article.fr, article.en):
        numbers = re.findall(r"(?<!^)\b\d+\b", text.body, re.M)  # without those of lists
        assert {int(number) for number in numbers} == NUMBERS.get(slug, set())


@pytest.mark.parametrize("slug", INSTALLED_ARTICLES)
def test_an_installed_article_links_to_installed_ones(slug: str) -> None:
    targets = re.findall(r"/articles/([\w-]+)", texts_of(INSTALLED_ARTICLES[slug]))
    assert [target for target in targets if target not in INSTALLED_ARTICLES] == []


async def published() -> set[str]:
    return {article.slug for article in await Article.all()}


@pytest.mark.usefixtures("db")
async def test_the_demonstrations_articles_are_published_there_only(
    clock: "MovableClock",
) -> None:
    await catalogue.load(clock.now())
    assert await published() == INSTALLED_ARTICLES.keys() < ALL_ARTICLES.keys()
    await catalogue.load(clock.now(), demonstration=True)
    assert await published() == ALL_ARTICLES.keys()
    # As in an installation of an earlier version, which published all of them.
    await Article.create(
        slug="own",
        kind="FAQ",
        category="ACCOUNT",
        position=99,
        texts={},
        search_text_fr="",
        search_text_en="",
    )
    clock.advance(timedelta(days=1))
    await catalogue.load(clock.now())
    assert await published() == {*INSTALLED_ARTICLES, "own"}
