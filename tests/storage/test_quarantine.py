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
from tests.storage.clamd import EICAR, Daemon
from tests.web.web_fixtures import ENGLISH, Site, announced, bytewise
from tests.web.web_fixtures import site as opened

if TYPE_CHECKING:
    from tests.conftest import MovableClock

CLEAN = b"Bonjour"


@pytest.fixture
async def daemon() -> AsyncIterator[Daemon]:
    async with Daemon().open() as daemon:
        yield daemon


@pytest.fixture
async def site(
    db: str, clock: "MovableClock", tmp_path: Path, daemon: Daemon
) -> AsyncIterator[Site]:
    async with opened(
        clock, tmp_path / "files", scanner_from_url(f"tcp://127.0.0.1:{daemon.port}")
    ) as site:
        yield site


async def text(site: Site, content: bytes) -> File:
    return await announced(site.action(), content, "note.txt", "text/plain")


async def downloaded(site: Site, file: File) -> int:
    return (
        await site.client.get(f"/downloads/{site.sign(Purpose.DOWNLOAD, file=file.pk)}")
    ).status_code


async def look_again(site: Site) -> int:
    return await scan_waiting_files(site.action(), site.file_service)


async def test_a_clean_file_is_available_immediately(site: Site) -> None:
    file = await text(site, CLEAN)
    assert (await site.put(file, CLEAN)).status_code == 201
    await file.refresh_from_db()
    assert file.status is FileStatus.AVAILABLE
    assert await downloaded(site, file) == 200


async def test_an_infected_file_is_deleted_and_its_owner_notified(site: Site) -> None:
    file = await text(site, EICAR)
    with capture_logs() as logged:
        for _ in range(2):  # a repeated upload is refused too
            response = await site.put(file, EICAR, **ENGLISH)
            assert (response.status_code, response.json()["code"]) == (422, "INFECTED")
    assert site.bytes_kept() == {}
    await file.refresh_from_db()
    assert file.status is FileStatus.INFECTED
    assert await downloaded(site, file) == 404
    [entry] = await AuditEntry.filter(action=SupportAuditAction.FILE_INFECTED.value)
    assert (entry.object_id, entry.account_id) == (file.pk, file.account_id)
    assert [
        (each["event"], each["found"]) for each in logged if each["event"] == "file.infected"
    ] == [("file.infected", "Win.Test.EICAR_HDB-1")]


async def test_an_infected_file_cannot_be_attached(site: Site) -> None:
    file = await text(site, EICAR)
    await site.put(file, EICAR)
    author = await file.uploader
    async with site.action().transaction() as tx:
        with pytest.raises(Refusal, match="FILE_REFUSED"):
            await attach_to_message(tx, 1, File(pk=1), author, (file.pk,))  # type: ignore[arg-type] # refused before the message is looked at


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"stream: ",
        b"INSTREAM size limit exceeded. ERROR\0",
        b"stream: OK",
        b"stream: x ERROR\0",
    ],
)
async def test_a_file_without_a_verdict_stays_in_quarantine(
    site: Site, daemon: Daemon, answer: bytes | None
) -> None:
    daemon.answer = answer
    good = await text(site, CLEAN)
    response = await site.put(good, CLEAN, **ENGLISH)
    assert (response.status_code, response.json()["code"]) == (202, "QUARANTINED")
    assert (await site.put(good, CLEAN)).status_code == 202
    assert await downloaded(site, good) == 404
    assert await look_again(site) == 0
    assert await downloaded(site, good) == 404
    daemon.answer = b""
    assert await look_again(site) == 1
    assert await downloaded(site, good) == 200
    assert await look_again(site) == 0


async def test_an_infected_file_in_quarantine_is_deleted(site: Site, daemon: Daemon) -> None:
    daemon.answer = None
    bad = await text(site, EICAR)
    await site.put(bad, EICAR)
    assert len(site.bytes_kept()) == 1
    daemon.answer = b""
    assert await look_again(site) == 1
    assert site.bytes_kept() == {}
    assert (await site.put(bad, EICAR)).status_code == 422


async def test_bytes_that_a_killed_process_left_are_deleted_later(site: Site) -> None:
    file = await text(site, EICAR)
    await site.put(file, EICAR)
    await file.refresh_from_db()
    await site.file_service.store.put(file.key, bytewise(EICAR, 10))
    await look_again(site)
    assert site.bytes_kept() == {}


async def test_concurrent_scans_are_audited_once(site: Site, daemon: Daemon) -> None:
    daemon.answer = None
    await site.put(await text(site, EICAR), EICAR)
    daemon.answer = b""
    await asyncio.gather(*(look_again(site) for _ in range(3)))
    assert await AuditEntry.filter(action=SupportAuditAction.FILE_INFECTED.value).count() == 1
    assert site.bytes_kept() == {}


async def test_missing_bytes_do_not_block_other_files(site: Site, daemon: Daemon) -> None:
    daemon.answer = None
    lost = await text(site, CLEAN)
    await site.put(lost, CLEAN)
    await lost.refresh_from_db()
    await site.file_service.store.delete(lost.key)
    daemon.answer = b""
    with capture_logs() as logged:
        await look_again(site)
    assert [each["event"] for each in logged] == ["file.missing"]
    assert await downloaded(site, lost) == 404


async def test_missing_bytes_do_not_block_the_scan_and_are_logged_once_a_day(
    site: Site, daemon: Daemon, clock: "MovableClock"
) -> None:
    daemon.answer = None
    last = await text(site, CLEAN)
    await File.bulk_create(
        File(
            key=f"{last.key}{each}",
            uploader_id=last.uploader_id,
            account_id=last.account_id,
            name="b.txt",
            content_type="text/plain",
            size=7,
            sha256="-",
            created_at=last.created_at,
            uploaded_at=last.created_at,
        )
        for each in range(130)
    )
    await site.put(last, CLEAN)
    daemon.answer = b""
    with capture_logs() as logged:
        for _ in range(3):
            await look_again(site)
    assert [each["event"] for each in logged] == ["file.missing"] * 130
    assert await downloaded(site, last) == 200
    clock.advance(timedelta(days=1))
    with capture_logs() as logged:
        for _ in range(3):
            await look_again(site)
    assert [each["event"] for each in logged] == ["file.missing"] * 130


async def test_restored_bytes_are_scanned(
    site: Site, daemon: Daemon, clock: "MovableClock"
) -> None:
    daemon.answer = None
    lost = await text(site, CLEAN)
    await site.put(lost, CLEAN)
    await lost.refresh_from_db()
    await site.file_service.store.delete(lost.key)
    daemon.answer = b""
    await look_again(site)
    await site.file_service.store.put(lost.key, bytewise(CLEAN, 10))
    assert await look_again(site) == 0
    clock.advance(timedelta(days=1))
    assert await look_again(site) == 1
    assert await downloaded(site, lost) == 200


async def test_an_unavailable_scanner_is_tried_once_per_run(
    site: Site, daemon: Daemon, action: Action
) -> None:
    daemon.answer = None
    first = await text(site, CLEAN)
    await site.put(first, CLEAN)
    second = await File.create(
        key=first.key + "2",
        uploader_id=first.uploader_id,
        account_id=first.account_id,
        name="b.txt",
        content_type="text/plain",
        size=7,
        created_at=action.at,
    )
    await site.put(second, CLEAN)
    count_before = daemon.asked
    assert await look_again(site) == 0
    assert daemon.asked == count_before + 1


async def test_bytes_are_passed_on_in_pieces_without_loss(daemon: Daemon) -> None:
    clamd = Clamd("127.0.0.1", daemon.port)
    assert await clamd.scan(bytewise(bytes(300_000), 65_536)) is None
    assert daemon.largest == 65_536
    assert await clamd.scan(bytewise(bytes(100) + EICAR, 7)) == "Win.Test.EICAR_HDB-1"


async def test_a_stopped_or_unresponsive_daemon_is_unavailable(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ScannerUnavailable):
        await scanner_from_url(f"unix://{tmp_path}/clamd.ctl").scan(bytewise(CLEAN))
    async with Daemon().open() as gone:
        pass
    with pytest.raises(ScannerUnavailable):
        await Clamd("127.0.0.1", gone.port).scan(bytewise(CLEAN))
    monkeypatch.setattr("storage.scanner._SECONDS", 0.2)

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        await asyncio.sleep(1)
        writer.close()

    async with await asyncio.start_unix_server(mute, tmp_path / "mute") as _:
        with pytest.raises(ScannerUnavailable):
            await scanner_from_url(f"unix://{tmp_path}/mute").scan(bytewise(CLEAN))


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
