"""While the file store is unavailable, uploads and downloads report it and lose nothing, over a
real object store.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from auth.tokens import Purpose
from models.support.file import File
from storage.file_service import FileService
from tests.storage.test_object_store import S3Server
from tests.web.web_fixtures import PNG, Site, announce_file, create_app, open_site

if TYPE_CHECKING:
    from tests.conftest import MovableClock


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(clock, tmp_path / "files") as site:
        yield site


async def test_p5_5_an_upload_can_be_repeated_after_an_outage(site: Site, tmp_path: Path) -> None:
    (tmp_path / "s3").mkdir()
    s3_server = S3Server(tmp_path / "s3")
    file_service = FileService(s3_server.store)
    file = await announce_file(site.action())
    transport = httpx.ASGITransport(app=create_app(site.services, file_service))
    async with httpx.AsyncClient(transport=transport, base_url="http://camcha.example") as client:
        site_on_s3 = Site(site.services, file_service, site.folder, client)
        s3_server.kill()
        response = await site_on_s3.upload(file, PNG)
        assert (response.status_code, response.json()["code"]) == (503, "STORE_UNAVAILABLE")
        assert (await File.get(pk=file.pk)).uploaded_at is None
        s3_server.start()
        assert (await site_on_s3.upload(file, PNG)).status_code == 201
        link = f"/downloads/{site_on_s3.sign(Purpose.DOWNLOAD, file=file.pk)}"
        assert (await client.get(link)).content == PNG
        s3_server.kill()
        response = await client.get(link)
        assert (response.status_code, response.json()["code"]) == (503, "STORE_UNAVAILABLE")
        await file.refresh_from_db()
        s3_server.start()
        await file_service.store.delete(file.key)
        assert (await client.get(link)).status_code == 404  # its bytes are lost
    s3_server.kill()
