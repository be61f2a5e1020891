"""Uploaded files and the virus scanner (ASVS 5.4.3): infected files are never served, and every
file is scanned.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from auth.tokens import Purpose
from models.action import Action
from models.audit import AuditEntry
from models.errors import Refusal
from models.support.audit_actions import SupportAuditAction
from models.support.file import File, FileStatus, attach_to_message
from storage.file_service import scan_waiting_files
from storage.scanner import Clamd, ScannerUnavailable, scanner_from_url
from tests.storage.clamd import EICAR, FakeClamd
from tests.web.web_fixtures import ENGLISH, Site, announce_file, in_chunks, open_site

if TYPE_CHECKING:
    from tests.conftest import MovableClock

CLEAN_CONTENT = b"Bonjour"


@pytest.fixture
async def daemon() -> AsyncIterator[FakeClamd]:
    async with FakeClamd().listen() as daemon:
        yield daemon


@pytest.fixture
async def site(
    db: str, clock: "MovableClock", tmp_path: Path, daemon: FakeClamd
) -> AsyncIterator[Site]:
    async with open_site(
        clock, tmp_path / "files", scanner_from_url(f"tcp://127.0.0.1:{daemon.port}")
    ) as site:
        yield site


async def announce_text(site: Site, content: bytes) -> File:
    return await announce_file(site.action(), content, "note.txt", "text/plain")


async def download_status(site: Site, file: File) -> int:
    return (
        await site.client.get(f"/downloads/{site.sign(Purpose.DOWNLOAD, file=file.pk)}")
    ).status_code


async def scan_again(site: Site) -> int:
    return await scan_waiting_files(site.action(), site.file_service)


async def test_a_clean_file_is_available_immediately(site: Site) -> None:
    file = await announce_text(site, CLEAN_CONTENT)
    assert (await site.upload(file, CLEAN_CONTENT)).status_code == 201
    await file.refresh_from_db()
    assert file.status is FileStatus.AVAILABLE
    assert await download_status(site, file) == 200


async def test_an_infected_file_is_deleted_and_its_owner_notified(site: Site) -> None:
    file = await announce_text(site, EICAR)
    with capture_logs() as logged:
        for _ in range(2):  # a repeated upload is refused too
            response = await site.upload(file, EICAR, **ENGLISH)
            assert (response.status_code, response.json()["code"]) == (422, "INFECTED")
    assert site.stored_files() == {}
    await file.refresh_from_db()
    assert file.status is FileStatus.INFECTED
    assert await download_status(site, file) == 404
    [entry] = await AuditEntry.filter(action=SupportAuditAction.FILE_INFECTED.value)
    assert (entry.object_id, entry.account_id) == (file.pk, file.account_id)
    assert [
        (each["event"], each["found"]) for each in logged if each["event"] == "file.infected"
    ] == [("file.infected", "Win.Test.EICAR_HDB-1")]


async def test_an_infected_file_cannot_be_attached(site: Site) -> None:
    file = await announce_text(site, EICAR)
    await site.upload(file, EICAR)
    author = await file.uploader
    async with site.action().transaction() as tx:
        with pytest.raises(Refusal, match="FILE_REFUSED"):
            await attach_to_message(tx, 1, File(pk=1), author, (file.pk,))  # type: ignore[arg-type] # refused before the message is looked at


@pytest.mark.parametrize(
    "scanner_response",
    [
        None,
        b"stream: ",
        b"INSTREAM size limit exceeded. ERROR\0",
        b"stream: OK",
        b"stream: x ERROR\0",
    ],
)
async def test_a_file_without_a_verdict_stays_in_quarantine(
    site: Site, daemon: FakeClamd, scanner_response: bytes | None
) -> None:
    daemon.response = scanner_response
    file = await announce_text(site, CLEAN_CONTENT)
    response = await site.upload(file, CLEAN_CONTENT, **ENGLISH)
    assert (response.status_code, response.json()["code"]) == (202, "QUARANTINED")
    assert (await site.upload(file, CLEAN_CONTENT)).status_code == 202
    assert await download_status(site, file) == 404
    assert await scan_again(site) == 0
    assert await download_status(site, file) == 404
    daemon.response = b""
    assert await scan_again(site) == 1
    assert await download_status(site, file) == 200
    assert await scan_again(site) == 0


async def test_an_infected_file_in_quarantine_is_deleted(site: Site, daemon: FakeClamd) -> None:
    daemon.response = None
    infected_file = await announce_text(site, EICAR)
    await site.upload(infected_file, EICAR)
    assert len(site.stored_files()) == 1
    daemon.response = b""
    assert await scan_again(site) == 1
    assert site.stored_files() == {}
    assert (await site.upload(infected_file, EICAR)).status_code == 422


async def test_content_left_by_a_killed_process_is_deleted_later(site: Site) -> None:
    file = await announce_text(site, EICAR)
    await site.upload(file, EICAR)
    await file.refresh_from_db()
    await site.file_service.store.put(file.key, in_chunks(EICAR, 10))
    await scan_again(site)
    assert site.stored_files() == {}


async def test_concurrent_scans_are_audited_once(site: Site, daemon: FakeClamd) -> None:
    daemon.response = None
    await site.upload(await announce_text(site, EICAR), EICAR)
    daemon.response = b""
    await asyncio.gather(*(scan_again(site) for _ in range(3)))
    assert await AuditEntry.filter(action=SupportAuditAction.FILE_INFECTED.value).count() == 1
    assert site.stored_files() == {}


async def test_missing_content_is_logged(site: Site, daemon: FakeClamd) -> None:
    daemon.response = None
    file = await announce_text(site, CLEAN_CONTENT)
    await site.upload(file, CLEAN_CONTENT)
    await file.refresh_from_db()
    await site.file_service.store.delete(file.key)
    daemon.response = b""
    with capture_logs() as logged:
        await scan_again(site)
    assert [each["event"] for each in logged] == ["file.missing"]
    assert await download_status(site, file) == 404


async def test_missing_content_does_not_block_the_scan_and_is_logged_once_a_day(
    site: Site, daemon: FakeClamd, clock: "MovableClock"
) -> None:
    daemon.response = None
    last_file = await announce_text(site, CLEAN_CONTENT)
    await File.bulk_create(
        File(
            key=f"{last_file.key}{each}",
            uploader_id=last_file.uploader_id,
            account_id=last_file.account_id,
            name="b.txt",
            content_type="text/plain",
            size=7,
            sha256="-",
            created_at=last_file.created_at,
            uploaded_at=last_file.created_at,
        )
        for each in range(130)
    )
    await site.upload(last_file, CLEAN_CONTENT)
    daemon.response = b""
    with capture_logs() as logged:
        for _ in range(3):
            await scan_again(site)
    assert [each["event"] for each in logged] == ["file.missing"] * 130
    assert await download_status(site, last_file) == 200
    clock.advance(timedelta(days=1))
    with capture_logs() as logged:
        for _ in range(3):
            await scan_again(site)
    assert [each["event"] for each in logged] == ["file.missing"] * 130


async def test_restored_content_is_scanned(
    site: Site, daemon: FakeClamd, clock: "MovableClock"
) -> None:
    daemon.response = None
    file = await announce_text(site, CLEAN_CONTENT)
    await site.upload(file, CLEAN_CONTENT)
    await file.refresh_from_db()
    await site.file_service.store.delete(file.key)
    daemon.response = b""
    await scan_again(site)
    await site.file_service.store.put(file.key, in_chunks(CLEAN_CONTENT, 10))
    assert await scan_again(site) == 0
    clock.advance(timedelta(days=1))
    assert await scan_again(site) == 1
    assert await download_status(site, file) == 200


async def test_an_unavailable_scanner_is_tried_once_per_run(
    site: Site, daemon: FakeClamd, action: Action
) -> None:
    daemon.response = None
    first_file = await announce_text(site, CLEAN_CONTENT)
    await site.upload(first_file, CLEAN_CONTENT)
    second_file = await File.create(
        key=first_file.key + "2",
        uploader_id=first_file.uploader_id,
        account_id=first_file.account_id,
        name="b.txt",
        content_type="text/plain",
        size=7,
        created_at=action.at,
    )
    await site.upload(second_file, CLEAN_CONTENT)
    scans_before = daemon.scan_count
    assert await scan_again(site) == 0
    assert daemon.scan_count == scans_before + 1


async def test_content_is_sent_to_the_scanner_in_chunks(daemon: FakeClamd) -> None:
    scanner = Clamd("127.0.0.1", daemon.port)
    assert await scanner.scan(in_chunks(bytes(300_000), 65_536)) is None
    assert daemon.largest_chunk == 65_536
    assert await scanner.scan(in_chunks(bytes(100) + EICAR, 7)) == "Win.Test.EICAR_HDB-1"


async def test_a_stopped_or_unresponsive_daemon_is_unavailable(
    daemon: FakeClamd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ScannerUnavailable):
        await scanner_from_url(f"unix://{tmp_path}/clamd.ctl").scan(in_chunks(CLEAN_CONTENT))
    async with FakeClamd().listen() as stopped_daemon:
        pass
    with pytest.raises(ScannerUnavailable):
        await Clamd("127.0.0.1", stopped_daemon.port).scan(in_chunks(CLEAN_CONTENT))
    monkeypatch.setattr("storage.scanner._TIMEOUT_SECONDS", 0.2)

    async def stay_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        await asyncio.sleep(1)
        writer.close()

    async with await asyncio.start_unix_server(stay_silent, tmp_path / "mute") as _:
        with pytest.raises(ScannerUnavailable):
            await scanner_from_url(f"unix://{tmp_path}/mute").scan(in_chunks(CLEAN_CONTENT))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "clamd",
        "http://x:3310",
        "tcp://",
        "tcp://x/y",
        "tcp://u@x",
        "unix://x/y",
        "unix:",
        "tcp://x?y",
    ],
)
def test_an_invalid_address_is_reported(url: str) -> None:
    with pytest.raises(ValueError, match=r"tcp://|without options"):
        scanner_from_url(url)
