"""P5.7: articles are drafted, changed in versions and published, at once or at a time."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from models.action import Action
from models.content.article import Article
from models.identity.user import Staff
from models.support.file import File
from models.viewer import Viewer
from resolvers.context import Services
from resolvers.ids import encode
from seed import catalogue
from support.library.articles import publish_due
from tests.people import create_staff_viewer
from tests.schema.billing.catalogue_fixtures import codes, mutate

if TYPE_CHECKING:
    from tests.schema.conftest import Dataset, Execute

ARTICLE = """article { id slug title publishedAt publishedVersion latestVersion scheduledVersion
    scheduledAt videoUrl versions { nodes { number title publishedAt editor { name } } } }"""
READ = """query($s: String!) { article(slug: $s) { title latestVersion publishedVersion
    scheduledAt versions { totalCount } } }"""


def texts(title: str, **fields: str) -> dict[str, str]:
    return {"title": title, "summary": f"{title}.", "body": f"# {title}"} | fields


@pytest.fixture
async def editor(db: str, action: Action) -> Viewer:
    return await create_staff_viewer(action, "Sonia", Staff.SUPERVISOR)


async def draft(execute: "Execute", editor: Viewer, **fields: Any) -> dict[str, Any]:
    fields = {
        "slug": "relances",
        "kind": "VIDEO",
        "category": "BILLING",
        "fr": texts("Les relances"),
        "en": texts("Reminders"),
        "idempotencyKey": "k",
    } | fields
    return await mutate(execute, editor, "articleCreate", ARTICLE, **fields)


async def title_for(execute: "Execute", viewer: Viewer, slug: str = "relances") -> str | None:
    article = (await execute(viewer, READ, s=slug))["data"]["article"]
    return article and str(article["title"])


async def test_p5_7_an_article_is_drafted_published_changed_and_brought_back(
    execute: "Execute", editor: Viewer, services: Services, action: Action
) -> None:
    for _ in range(2):  # a repeat
        article = (await draft(execute, editor))["article"]
    assert (article["publishedAt"], article["publishedVersion"]) == (None, None)
    assert (await title_for(execute, Viewer()), await title_for(execute, editor)) == (
        None,
        "Les relances",
    )
    listed = "{ articles(filter: {isPublished: false}) { totalCount } }"
    assert (await execute(editor, listed))["data"]["articles"]["totalCount"] == 1
    assert (await execute(Viewer(), listed))["data"]["articles"]["totalCount"] == 0

    async def change(name: str, **fields: Any) -> dict[str, Any]:
        fields = {"articleId": article["id"]} | fields
        return await mutate(execute, editor, name, ARTICLE, **fields)

    for _ in range(2):
        published = (await change("articlePublish"))["article"]
    assert (published["publishedAt"], published["publishedVersion"]) == (action.at.isoformat(), 1)
    assert await title_for(execute, Viewer()) == "Les relances"
    for _ in range(2):
        changed = (await change("articleUpdate", version=1, fr=texts("Relancer")))["article"]
    assert (changed["latestVersion"], changed["publishedVersion"]) == (2, 1)
    assert await title_for(execute, Viewer()) == "Les relances"  # until it is published
    conflict = await change("articleUpdate", version=1, fr=texts("Autre"))
    assert codes(conflict) == [("ARTICLE_CHANGED", "version")]
    # At a time, by a job in two processes.
    at = action.at + timedelta(days=1)
    for _ in range(2):
        scheduled = (await change("articlePublish", at=at.isoformat()))["article"]
    assert (scheduled["scheduledVersion"], scheduled["scheduledAt"]) == (2, at.isoformat())
    assert await publish_due(action) == 0
    later = Action(None, at, services.hub)
    assert sum(await asyncio.gather(publish_due(later), publish_due(later))) == 1
    assert await title_for(execute, Viewer()) == "Relancer"
    search = '{ articles(search: "relancées") { nodes { slug } } }'
    found = (await execute(Viewer(), search))["data"]["articles"]["nodes"]
    assert found == [{"slug": "relances"}]
    back = (await change("articlePublish", version=1))["article"]
    assert [
        (each["number"], each["title"], each["editor"]["name"])
        for each in back["versions"]["nodes"]
    ] == [(2, "Relancer", "Sonia"), (1, "Les relances", "Sonia")]
    assert await title_for(execute, Viewer()) == "Les relances"
    public = (await execute(Viewer(), READ, s="relances"))["data"]["article"]
    assert public == {
        "title": "Les relances",
        "latestVersion": None,
        "publishedVersion": None,
        "scheduledAt": None,
        "versions": {"totalCount": 0},
    }
    for _ in range(2):
        await change("articleUnpublish")
    assert await title_for(execute, Viewer()) is None


async def test_installing_again_keeps_what_editors_changed(
    execute: "Execute", editor: Viewer, services: Services, action: Action
) -> None:
    await catalogue.load(action.at)
    article = await Article.all().order_by("position").first()
    assert article
    fields = {"articleId": encode("Article", article.pk)}
    changed = await mutate(
        execute, editor, "articleUpdate", ARTICLE, version=1, fr=texts("Le nôtre"), **fields
    )
    numbers = [(v["number"], v["editor"]) for v in changed["article"]["versions"]["nodes"]]
    assert numbers == [(2, {"name": "Sonia"}), (1, None)]
    await mutate(execute, editor, "articlePublish", ARTICLE, **fields)
    await catalogue.load(action.at + timedelta(days=1))
    assert await title_for(execute, Viewer(), article.slug) == "Le nôtre"


async def test_faults_of_articles(
    execute: "Execute", dataset: "Dataset", editor: Viewer, action: Action
) -> None:
    article = (await draft(execute, editor))["article"]
    assert codes(await draft(execute, editor, idempotencyKey="2")) == [("SLUG_TAKEN", "slug")]
    wrong = await draft(
        execute,
        editor,
        slug="Été",
        fr=texts(" ", body="\u2800"),
        en=texts("x" * 151, summary="x" * 301),
        idempotencyKey="",
    )
    assert codes(wrong) == [
        ("VALUE_INVALID", "slug"),
        ("BLANK", "fr.title"),
        ("BLANK", "fr.body"),
        ("TOO_LONG", "en.title"),
        ("TOO_LONG", "en.summary"),
        ("BLANK", "idempotencyKey"),
    ]

    async def change(name: str, **fields: Any) -> list[tuple[str, str]]:
        fields = {"articleId": article["id"]} | fields
        return codes(await mutate(execute, editor, name, ARTICLE, **fields))

    assert await change("articlePublish", version=7) == [("NOT_FOUND", "version")]
    for at in (timedelta(seconds=-1), timedelta(days=800)):
        time = (action.at + at).isoformat()
        assert await change("articlePublish", at=time) == [("VALUE_INVALID", "at")]
    # A video is the editor's own upload, and a video.
    columns: Any = {"created_at": action.at, "uploaded_at": action.at, "cleared_at": action.at}
    photo = await File.create(
        key="photo", uploader=editor.user, name="p.png", content_type="image/png", size=1, **columns
    )
    others = await File.create(
        key="film",
        uploader=dataset.alice.user,
        name="f",
        content_type="video/mp4",
        size=1,
        **columns,
    )
    for file in (photo, others):
        refused = await change("articleUpdate", version=1, videoFileId=encode("File", file.pk))
        assert refused == [("FILE_REFUSED", "videoFileId")]
    assert await change("articleUpdate", version=1, videoFileId="x", videoUrl="ftp://x") == [
        ("VALUE_INVALID", "videoUrl"),
        ("FILE_REFUSED", "videoFileId"),
    ]
    link = {"videoUrl": "https://videos.example/relances"}
    changed = await mutate(
        execute, editor, "articleUpdate", ARTICLE, articleId=article["id"], version=1, **link
    )
    assert changed["article"]["videoUrl"] == link["videoUrl"]
    document = """mutation($i: ArticleUnpublishInput!) { articleUnpublish(input: $i) {
        userErrors { code } } }"""
    response = await execute(dataset.alice, document, i={"articleId": article["id"]})
    assert response["errors"][0]["extensions"]["code"] == "FORBIDDEN"
