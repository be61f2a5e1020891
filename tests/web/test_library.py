"""P5.7: the videos of the library, sent in ranges."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from models.action import Action
from models.content.article import Article, ArticleKind
from models.identity.user import Staff
from models.support.file import File
from storage.abandoned_files import delete_abandoned_files
from storage.content import content_kind
from support.library.articles import ArticleChanges, update_article
from tests.people import create_staff
from tests.schema.content.test_feedback import create_article
from tests.web.web_fixtures import Site, open_site

if TYPE_CHECKING:
    from tests.conftest import MovableClock

MP4 = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41" + bytes(range(256)) * 8
URL = "/library/pay/video"


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(clock, tmp_path / "files") as opened_site:
        yield opened_site


async def test_p5_7_a_video_is_uploaded_watched_in_ranges_and_replaced(
    site: Site, clock: "MovableClock"
) -> None:
    editor = await create_staff(site.action(), "Sonia", Staff.SUPERVISOR)
    article = await create_article(site.action(), "pay", kind=ArticleKind.VIDEO)
    assert content_kind("video/mp4")

    async def upload(key: str, content: bytes) -> File:
        file = await File.create(
            key=key.ljust(20, "0"),
            uploader=editor,
            name="film.mp4",
            content_type="video/mp4",
            size=len(content),
            created_at=site.action().at,
        )
        assert (await site.upload(file, content)).status_code == 201
        action = site.action()
        changes = ArticleChanges({}, video_file_id=file.pk)
        for _ in range(2):  # a repeat changes nothing
            await update_article(Action(editor, action.at, action.bus), article, 1, changes)
        return file

    assert (await site.client.get(URL)).status_code == 404
    first = await upload("first", MP4)
    response = await site.client.get(URL)
    assert (response.status_code, response.content) == (200, MP4)
    assert response.headers["content-type"] == "video/mp4"
    assert response.headers["content-disposition"] == "inline"
    etag = response.headers["etag"]
    part = await site.client.get(URL, headers={"Range": "bytes=100-199", "If-Range": etag})
    assert (part.status_code, part.content) == (206, MP4[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(MP4)}"
    end = await site.client.get(URL, headers={"Range": "bytes=-10"})
    assert end.content == MP4[-10:]
    beyond = await site.client.get(URL, headers={"Range": "bytes=99999-"})
    assert beyond.status_code == 416
    assert (await site.client.get(URL, headers={"If-None-Match": etag})).status_code == 304
    head = await site.client.head(URL)
    assert (head.headers["content-length"], head.content) == (str(len(MP4)), b"")
    # Another one replaces it, and a day later only the new one is left.
    second = await upload("second", MP4[:-1])
    assert (await site.client.get(URL)).content == MP4[:-1]
    clock.advance(timedelta(days=2))
    await delete_abandoned_files(site.action(), site.file_service.store)
    assert [file.pk for file in await File.all()] == [second.pk]
    assert len(site.stored_files()) == 1
    assert first.pk != second.pk
    await Article.all().update(published_at=None)
    for path in (URL, "/library/unknown/video", "/library/%00/video"):
        assert (await site.client.get(path)).status_code == 404
