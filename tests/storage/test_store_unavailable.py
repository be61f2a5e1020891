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
from tests.storage.test_object_store import Peer
from tests.web.web_fixtures import PNG, Site, announced, app
from tests.web.web_fixtures import site as opened

if TYPE_CHECKING:
    from tests.conftest import MovableClock


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    async with opened(clock, tmp_path / "files") as site:
        yield site


async def test_p5_5_an_upload_can_be_repeated_after_an_outage(site: Site, tmp_path: Path) -> None:
    (tmp_path / "s3").mkdir()
    peer = Peer(tmp_path / "s3")
    file_service = FileService(peer.store)
    file = await announced(site.action())
    transport = httpx.ASGITransport(app=app(site.services, file_service))
    async with httpx.AsyncClient(transport=transport, base_url="http://camcha.example") as client:
        there = Site(site.services, file_service, site.folder, client)
        peer.kill()
        refused = await there.put(file, PNG)
        assert (refused.status_code, refused.json()["code"]) == (503, "STORE_UNAVAILABLE")
        assert (await File.get(pk=file.pk)).uploaded_at is None
        peer.start()
        assert (await there.put(file, PNG)).status_code == 201
        link = f"/downloads/{there.sign(Purpose.DOWNLOAD, file=file.pk)}"
        assert (await client.get(link)).content == PNG
        peer.kill()
        away = await client.get(link)
        assert (away.status_code, away.json()["code"]) == (503, "STORE_UNAVAILABLE")
        await file.refresh_from_db()
        peer.start()
        await file_service.store.delete(file.key)
        assert (await client.get(link)).status_code == 404  # its bytes are lost
    peer.kill()
