"""People find articles by what they type, on both databases alike."""

from typing import TYPE_CHECKING

import pytest

from models.action import Action
from models.content.article import Article, ArticleCategory, ArticleKind
from models.viewer import Viewer

if TYPE_CHECKING:
    from tests.schema.conftest import Execute

TEXTS = {
    "mail": "Recevoir un e-mail de l’équipe",
    "vat": "La T.V.A. à 20 %",
    "strasse": "Bureau de la Straße, chez Łukasz et Søren",
    "work": "L’œuvre d’aujourd’hui",
    "joined": "Votre courriel (email) et vos sous-comptes",
    "hyphen": "Un e\u2011mail sécurisé",
    "plural": "Les journaux de vos factures payées",
}


@pytest.fixture
async def library(db: str, action: Action) -> None:
    for position, (slug, title) in enumerate(TEXTS.items()):
        text = {"title": title, "summary": "", "body": ""}
        article = Article(
            slug=slug,
            kind=ArticleKind.GUIDE,
            category=ArticleCategory.SUPPORT,
            position=position,
            published_at=action.at,
        )
        article.set_texts({"fr": text, "en": text}, action.at)  # type: ignore[dict-item]
        await article.save()


@pytest.mark.parametrize(
    ("search", "slugs"),
    [
        ("email", {"mail", "joined", "hyphen"}),
        ("E-MAIL", {"mail", "joined", "hyphen"}),
        ("e\u2011mail", {"mail", "joined", "hyphen"}),
        ("lequipe", {"mail"}),
        ("l'équipe", {"mail"}),
        ("tva", {"vat"}),
        ("T.V.A.", {"vat"}),
        ("strasse", {"strasse"}),
        ("STRAẞE lukasz", {"strasse"}),
        ("soren", {"strasse"}),
        ("oeuvre", {"work"}),
        ("aujourdhui", {"work"}),
        ("souscomptes", {"joined"}),
        ("sous comptes", {"joined"}),
        ("20 %", {"vat"}),
        ("facture", {"plural"}),
        ("FACTURES payée", {"plural"}),
        ("journal", {"plural"}),
        ("sous-compte", {"joined"}),
        ("comment payer mes factures ?", {"plural"}),
        ("où est ma facture", {"plural"}),
        ("r%z", set()),
        ("e_mail", {"mail", "joined", "hyphen"}),
        ("%", set()),
        ("_", set()),
        ("?", set()),
        ("*", set()),
        ("'", set()),
        ('"', set()),
        ("\\", set()),
        ("emai?", {"mail", "joined", "hyphen"}),
        (" ", set()),
        ("\x00", set()),
    ],
)
async def test_p5_7_a_search_finds_the_article(
    execute: "Execute", library: None, search: str, slugs: set[str]
) -> None:
    document = "query($s: String!) { articles(search: $s) { totalCount nodes { slug } } }"
    articles = (await execute(Viewer(), document, s=search))["data"]["articles"]
    assert {each["slug"] for each in articles["nodes"]} == slugs
    assert articles["totalCount"] == len(slugs)


async def test_without_a_search_all_articles_are_listed(execute: "Execute", library: None) -> None:
    articles = (await execute(Viewer(), '{ articles(search: "") { totalCount } }'))["data"]
    assert articles["articles"]["totalCount"] == len(TEXTS)
