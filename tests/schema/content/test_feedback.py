"""P5.7: articles that are suggested while a ticket is typed, and whether they were useful."""

from typing import TYPE_CHECKING, Any

import pytest

from engine import Engine, Params
from models.action import Action
from models.content.article import Article, ArticleCategory, ArticleKind
from models.content.article_feedback import ArticleFeedback
from models.identity.user import Staff
from models.viewer import Viewer
from resolvers.context import Context, Services
from resolvers.ids import encode
from tests.people import create_staff_viewer
from tests.schema.billing.catalogue_fixtures import codes, mutate

if TYPE_CHECKING:
    from tests.schema.conftest import Dataset, Execute

SUGGEST = """query($t: String!, $l: Locale, $n: Int! = 3) {
    articleSuggestions(text: $t, locale: $l, first: $n) { slug } }"""
FEEDBACK = "feedback { isUseful reason comment version }"
MEASURES = """{ article(slug: "pay") { viewerFeedback { isUseful } feedback { totalCount }
    feedbackSummary { usefulCount notUsefulCount usefulShare reasons { reason count } } } }"""
TEXTS = {
    "pay": (
        "Payer une facture en retard",
        "Late invoice: how to pay",
        "Réglez vos factures impayées.",
    ),
    "second-factor": (
        "Activer le second facteur",
        "Turn on the second factor",
        "Protégez votre compte.",
    ),
    "members": ("Inviter des collègues", "Invite colleagues", "Chaque membre a un rôle."),
    "draft": ("Payer une facture", "Pay an invoice", "Brouillon."),
}


async def create_article(action: Action, slug: str, **columns: Any) -> Article:
    french, english, body = TEXTS.get(slug, (slug, slug, slug))
    article = Article(
        slug=slug,
        **{
            "kind": ArticleKind.GUIDE,
            "category": ArticleCategory.SUPPORT,
            "published_at": None if slug == "draft" else action.at,
        }
        | columns,
    )
    texts: Any = {
        "fr": {"title": french, "summary": "-", "body": body},
        "en": {"title": english, "summary": "-", "body": english},
    }
    article.set_texts(texts, action.at)
    await article.save()
    return article


@pytest.fixture
async def articles(db: str, action: Action) -> list[Article]:
    return [await create_article(action, slug) for slug in TEXTS]


async def test_p5_7_articles_are_suggested_for_what_is_typed(
    execute: "Execute", articles: list[Article], action: Action
) -> None:
    async def suggested(text: str, **variables: Any) -> list[str]:
        response = await execute(Viewer(), SUGGEST, t=text, **variables)
        return [each["slug"] for each in response["data"]["articleSuggestions"]]

    assert await suggested("Bonjour, comment puis-je payer mes factures en retard ?") == ["pay"]
    assert await suggested("I can’t pay the late invoices", l="EN") == ["pay"]
    assert await suggested("second-facteur : je veux l’activer pour mes collègues") == [
        "second-factor",
        "members",
    ]
    assert await suggested("second-facteur, collègues", n=1) == ["second-factor"]
    for nothing in ("", "Bonjour, merci de me le faire", "Schifffahrt", "\x00"):
        assert await suggested(nothing) == []
    # An article that is published meanwhile is found at once.
    await Article.filter(slug="draft").update(published_at=action.at)
    assert set(await suggested("payer une facture")) == {"pay", "draft"}
    for arguments in ({"t": "x" * 8_201}, {"t": "x", "n": 11}, {"t": "x", "n": 0}):
        response = await execute(Viewer(), SUGGEST, **arguments)
        assert response["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_p5_7_readers_say_once_whether_an_article_was_useful_and_change_their_mind(
    execute: "Execute", dataset: "Dataset", articles: list[Article], action: Action
) -> None:
    article, owner = encode("Article", articles[0].pk), dataset.paul.owner
    why = {"isUseful": False, "reason": "OUTDATED", "comment": "Carte 4970 1000 0000 0055"}

    async def say(viewer: Viewer, **fields: Any) -> dict[str, Any]:
        fields = {"articleId": article} | fields
        return await mutate(execute, viewer, "articleGiveFeedback", FEEDBACK, **fields)

    first = (await say(owner, **why))["feedback"]
    assert first | {"comment": ""} == {
        "isUseful": False,
        "reason": "OUTDATED",
        "comment": "",
        "version": 1,
    }
    assert "4970 1000" not in first["comment"]
    await say(dataset.paul.member, isUseful=False, reason="UNCLEAR")
    changed = (await say(owner, isUseful=True))["feedback"]
    assert changed == {"isUseful": True, "reason": None, "comment": "", "version": 1}
    visitors = ["0123456789abcdef", "fedcba9876543210"]
    for visitor, is_useful in zip([*visitors, visitors[0]], (False, True, True), strict=True):
        assert codes(await say(Viewer(), isUseful=is_useful, visitorId=visitor)) == []
    assert await ArticleFeedback.all().count() == 4
    assert not await ArticleFeedback.filter(visitor__in=visitors).exists()  # hashes only
    editor = await create_staff_viewer(action, "Sonia", Staff.SUPERVISOR)
    assert (await execute(editor, MEASURES))["data"]["article"] == {
        "viewerFeedback": None,
        "feedback": {"totalCount": 4},
        "feedbackSummary": {
            "usefulCount": 3,
            "notUsefulCount": 1,
            "usefulShare": 0.75,
            "reasons": [{"reason": "UNCLEAR", "count": 1}],
        },
    }
    assert (await execute(owner, MEASURES))["data"]["article"] == {
        "viewerFeedback": {"isUseful": True},
        "feedback": {"totalCount": 1},
        "feedbackSummary": None,
    }
    draft = encode("Article", articles[-1].pk)
    refused = await say(
        Viewer(), articleId=draft, isUseful=True, reason="WRONG", comment="\u2800", visitorId="x"
    )
    assert codes(refused) == [
        ("NOT_FOUND", "articleId"),
        ("VALUE_INVALID", "reason"),
        ("BLANK", "comment"),
        ("VALUE_INVALID", "visitorId"),
    ]
    assert codes(await say(Viewer(), isUseful=True)) == [("BLANK", "visitorId")]


async def test_feedback_is_throttled_by_person_and_by_network(
    engine: Engine, services: Services, dataset: "Dataset", articles: list[Article]
) -> None:
    document = """mutation($i: ArticleGiveFeedbackInput!) {
        articleGiveFeedback(input: $i) { userErrors { code } } }"""

    async def say(viewer: Viewer, address: str, number: int) -> str | None:
        variables = {
            "articleId": encode("Article", articles[0].pk),
            "isUseful": True,
            "visitorId": f"visitor-{number:016}",
        }
        response = await engine.execute(
            engine.prepare(Params(document, variables={"i": variables})),
            Context(viewer, services, address),
        )
        errors = response.get("errors")
        return errors[0]["extensions"]["code"] if errors else None

    results = [await say(Viewer(), "203.0.113.7", number) for number in range(32)]
    assert results == [None] * 31 + ["RATE_LIMITED"]
    assert await say(Viewer(), "198.51.100.7", 99) is None
    assert await say(dataset.paul.owner, "203.0.113.7", 0) is None
