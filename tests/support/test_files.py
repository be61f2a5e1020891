"""Announcing files with GraphQL documents: which are accepted, under which name, and where the
links lead.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import strawberry

from auth import throttle
from models.errors import DomainError, Refusal, Throttled
from models.identity.user import Staff
from models.support.file import File
from models.viewer import Viewer
from resolvers.context import Context, Info
from resolvers.support import files
from resolvers.support.inputs import FileAnnounceInput
from storage.content import MAX_BYTES, MAX_VIDEO_BYTES
from tests.people import create_staff, create_user
from tests.web.web_fixtures import BASE_URL, PNG, Site, camille, open_site

if TYPE_CHECKING:
    from tests.conftest import MovableClock

ANNOUNCE_MUTATION = (
    "mutation ($input: FileAnnounceInput!) { announce(input: $input) { key name url uploadUrl } }"
)
FILE_QUERY = "query ($key: ID!) { file(key: $key) { key name url uploadUrl } }"


@strawberry.type
class AnnouncedFile:
    key: strawberry.ID
    name: str
    url: str | None
    upload_url: str | None = None


@strawberry.type
class Query:
    @strawberry.field
    async def file(self, info: Info, key: strawberry.ID) -> AnnouncedFile:
        row = await File.get(pk=int(key))
        return AnnouncedFile(key=key, name=row.name, url=files.file_url(row, info))


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def announce(self, info: Info, input: FileAnnounceInput) -> AnnouncedFile:
        payload = await files.announce(info, input)
        row: File = payload["file"]
        url = files.file_url(row, info)
        return AnnouncedFile(
            key=strawberry.ID(str(row.pk)), name=row.name, url=url, upload_url=payload["upload_url"]
        )


SCHEMA = strawberry.Schema(Query, Mutation)


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(clock, tmp_path / "files") as site:
        yield site


@pytest.fixture
async def viewer(site: Site) -> Viewer:
    """Camille's viewer."""
    return await camille(site.action())


async def announce(site: Site, viewer: Viewer, **changed: Any) -> dict[str, Any]:
    """Announces photo.png and returns the payload. Raises the refusal."""
    fields = {"name": "photo.png", "contentType": "image/png", "size": len(PNG)} | changed
    result = await SCHEMA.execute(
        ANNOUNCE_MUTATION, {"input": fields}, context_value=Context(viewer, site.services)
    )
    if result.errors:
        assert isinstance(result.errors[0].original_error, DomainError), result.errors
        raise result.errors[0].original_error
    assert result.data
    response: dict[str, Any] = result.data["announce"]
    return response


async def test_a_file_is_announced_uploaded_and_downloaded(site: Site, viewer: Viewer) -> None:
    announcement = await announce(site, viewer)
    assert announcement["uploadUrl"].startswith(f"{BASE_URL}/uploads/")
    assert announcement["url"] is None
    assert (await site.client.put(announcement["uploadUrl"], content=PNG)).status_code == 201
    result = await SCHEMA.execute(
        FILE_QUERY, {"key": announcement["key"]}, context_value=Context(viewer, site.services)
    )
    assert result.data
    assert result.data["file"]["url"].startswith(f"{BASE_URL}/downloads/")
    assert (await site.client.get(result.data["file"]["url"])).content == PNG


async def test_the_file_belongs_to_the_viewer(site: Site, viewer: Viewer) -> None:
    file = await File.get(pk=int((await announce(site, viewer))["key"]))
    assert viewer.account
    assert (file.uploader_id, file.account_id, file.size) == (
        viewer.user_id,
        viewer.account.pk,
        len(PNG),
    )
    assert (file.content_type, file.uploaded_at, file.sha256) == ("image/png", None, None)
    assert await File.visible_to(viewer) == [file]


async def test_an_agent_s_file_belongs_to_no_company(site: Site) -> None:
    agent = await create_staff(site.action(), "Amadou", Staff.AGENT)
    file = await File.get(pk=int((await announce(site, Viewer(agent)))["key"]))
    assert (file.uploader_id, file.account_id) == (agent.pk, None)


@pytest.mark.parametrize(
    ("name", "stored_name"),
    [
        ("../../etc/passwd", "passwd.png"),
        ("C:\\Users\\Zoé\\écran 1.png", "écran 1.png"),
        ("..", None),
        ("a/", None),
        (" \u202e\x00 ", None),
        (".htaccess", "htaccess.png"),
        ("\u200b.htaccess", "htaccess.png"),
        ("\u200b. .", None),
        ("gnp\u202e.exe", "gnp.exe.png"),
        ("a\r\nSet-Cookie: b.png", "a Set-Cookie: b.png"),
        ("4111 1111 1111 1111.png", "•••• 1111.png"),
        ("carte-4111111111111111", "carte-•••• 1111.png"),
        ("x" * 201, None),
        ("x" * 200, "x" * 196 + ".png"),
    ],
)
async def test_file_names_are_sanitized(
    site: Site, viewer: Viewer, name: str, stored_name: str | None
) -> None:
    if stored_name is None:
        with pytest.raises(Refusal, match=r"BLANK|TOO_LONG") as error:
            await announce(site, viewer, name=name)
        assert error.value.field == ("input", "name")
        return
    assert (await announce(site, viewer, name=name))["name"] == stored_name


async def test_announcements_are_limited_per_company(site: Site, viewer: Viewer) -> None:
    """Announcements beyond a limit have to wait, including those of other members. Other companies
    and refused ones don't count.
    """
    colleagues = [await create_user(site.action(), name) for name in ("Lou", "Max")]
    colleague = colleagues[0]
    viewers = [replace(viewer, user=each) for each in colleagues]
    for colleague_viewer in viewers:
        for _ in range(throttle.FILES_PER_COMPANY.free_attempts // 2):
            await announce(site, colleague_viewer)
            with pytest.raises(Refusal):
                await announce(site, viewer, size=0)
    await announce(site, viewer)
    for throttled_viewer in (viewer, *viewers):
        with pytest.raises(Throttled):
            await announce(site, throttled_viewer)
    await announce(site, Viewer(colleague))


async def test_announcements_are_limited_per_person(site: Site, viewer: Viewer) -> None:
    """One member doesn't use up the allowance of the company."""
    for _ in range(throttle.FILES_PER_USER.free_attempts + 1):
        await announce(site, viewer)
    with pytest.raises(Throttled):
        await announce(site, viewer)
    await announce(site, replace(viewer, user=await create_user(site.action(), "Lou")))


@pytest.mark.parametrize(
    "content_type",
    ["text/html", "image/svg+xml", "application/x-msdownload", "application/zip", "", "png"],
)
async def test_other_types_are_refused(site: Site, viewer: Viewer, content_type: str) -> None:
    with pytest.raises(Refusal, match="FILE_UNSUPPORTED") as error:
        await announce(site, viewer, name="setup.exe", contentType=content_type)
    assert error.value.field == ("input", "contentType")
    assert await File.all().count() == 0


@pytest.mark.parametrize(
    ("size", "code"),
    [
        (0, "FILE_EMPTY"),
        (-1, "FILE_EMPTY"),
        (MAX_BYTES + 1, "FILE_TOO_LARGE"),
        (2**31 - 1, "FILE_TOO_LARGE"),
    ],
)
async def test_invalid_sizes_are_refused(site: Site, viewer: Viewer, size: int, code: str) -> None:
    with pytest.raises(Refusal, match=code) as error:
        await announce(site, viewer, size=size)
    assert error.value.field == ("input", "size")


async def test_a_video_may_be_larger(site: Site, viewer: Viewer) -> None:
    video = {"name": "panne.mov", "contentType": "video/quicktime"}
    await announce(site, viewer, **video, size=MAX_VIDEO_BYTES)
    with pytest.raises(Refusal, match="FILE_TOO_LARGE") as error:
        await announce(site, viewer, **video, size=MAX_VIDEO_BYTES + 1)
    assert error.value.values["limit"] == 24


async def test_a_link_stays_the_same_within_an_hour(
    site: Site, viewer: Viewer, clock: "MovableClock"
) -> None:
    """Clients can then cache pictures. Each link is valid for at least an hour."""
    announcement = await announce(site, viewer)
    await site.client.put(announcement["uploadUrl"], content=PNG)

    async def link() -> str:
        result = await SCHEMA.execute(
            FILE_QUERY, {"key": announcement["key"]}, context_value=Context(viewer, site.services)
        )
        assert result.data
        return str(result.data["file"]["url"])

    since_full_hour = timedelta(minutes=clock.now().minute, seconds=clock.now().second)
    clock.advance(timedelta(hours=1) - since_full_hour)
    first_link = await link()
    clock.advance(timedelta(minutes=58))
    assert await link() == first_link
    clock.advance(timedelta(minutes=3))
    assert await link() != first_link
    clock.advance(timedelta(minutes=57))
    assert (await site.client.get(first_link)).content == PNG
    clock.advance(timedelta(minutes=3))
    assert (await site.client.get(first_link)).status_code == 404


async def test_a_media_type_is_normalized(site: Site, viewer: Viewer) -> None:
    payload = await announce(
        site, viewer, name="a.csv", contentType="Text/CSV; charset=utf-8", size=MAX_BYTES
    )
    assert (await File.get(pk=int(payload["key"]))).content_type == "text/csv"
