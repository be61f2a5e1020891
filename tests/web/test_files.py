"""Uploads and downloads by signed links: what is accepted, what is refused, and what is in the
store afterwards.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import uvicorn
from structlog.testing import capture_logs

from auth.tokens import Purpose
from models.accounts.account import Account, AccountStatus
from models.audit import AuditEntry
from models.billing.invoice import Invoice, InvoiceDocument
from models.billing.purchase import Purchase
from models.identity.user import Staff
from models.support.file import File
from storage.content import MAX_BYTES
from tests.invoices import create_invoice
from tests.people import create_staff
from tests.realtime.socket_fixtures import wait_until
from tests.web.web_fixtures import (
    ENGLISH,
    PNG,
    Site,
    announce_file,
    create_app,
    in_chunks,
    open_site,
    unconfirmed_payment,
)

if TYPE_CHECKING:
    from tests.conftest import MovableClock

OTHER_PNG = PNG[:-1] + b"!"


@pytest.fixture
async def site(db: str, clock: "MovableClock", tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(clock, tmp_path / "files") as site:
        yield site


async def test_an_announced_file_is_stored_and_downloaded(site: Site) -> None:
    file = await announce_file(site.action())
    response = await site.upload(file, PNG)
    assert (response.status_code, response.json()["code"]) == (201, "STORED")
    await file.refresh_from_db()
    assert file.uploaded_at == site.services.clock.now()
    assert file.sha256 == sha256(PNG).hexdigest()
    assert site.stored_files() == {file.key: PNG}
    address = f"/downloads/{site.sign(Purpose.DOWNLOAD, file=file.pk)}"
    response, head = await site.client.get(address), await site.client.head(address)
    assert response.content == PNG
    assert head.content == b""
    for headers in (response.headers, head.headers):
        assert (
            headers["content-disposition"]
            == "attachment; filename=\"photo.png\"; filename*=UTF-8''photo.png"
        )
        assert headers["content-type"] == "image/png"
        assert headers["content-length"] == str(len(PNG))
        assert headers["etag"] == f'"{file.sha256}"'
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "private, max-age=3600, immutable"
        assert headers["accept-ranges"] == "bytes"
        assert headers["content-security-policy"] == "sandbox; default-src 'none'"


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-3", slice(0, 4)),
        ("bytes=4-", slice(4, None)),
        ("bytes=-5", slice(-5, None)),
        ("bytes=2-999999", slice(2, None)),
        ("bytes=-999999", slice(0, None)),
    ],
)
async def test_a_part_of_a_file_can_be_downloaded(site: Site, header: str, part: slice) -> None:
    """Video players request parts of a file."""
    file = await announce_file(site.action())
    await site.upload(file, PNG)
    address = f"/downloads/{site.sign(Purpose.FILE_DOWNLOAD, file=file.pk)}"
    response = await site.client.get(address, headers={"Range": header})
    start, end, _ = part.indices(len(PNG))
    assert (response.status_code, response.content) == (206, PNG[part])
    assert response.headers["content-range"] == f"bytes {start}-{end - 1}/{len(PNG)}"
    assert response.headers["content-length"] == str(len(PNG[part]))
    head = await site.client.head(address, headers={"Range": header})
    assert (head.status_code, head.content) == (206, b"")
    etag = {"If-Range": response.headers["etag"]}
    assert (await site.client.get(address, headers={"Range": header} | etag)).status_code == 206
    changed = await site.client.get(address, headers={"Range": header, "If-Range": '"other"'})
    assert (changed.status_code, changed.content) == (200, PNG)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("bytes=999999-", 416),
        ("bytes=-0", 416),
        ("bytes=5-2", 200),
        ("bytes=-", 200),
        ("bytes=a-b", 200),
        ("bytes=0-1,3-4", 200),
        ("lines=0-1", 200),
        ("bytes=" + "9" * 30 + "-", 200),
        ("", 200),
    ],
)
async def test_a_range_that_does_not_exist_or_is_not_understood(
    site: Site, header: str, status: int
) -> None:
    file = await announce_file(site.action())
    await site.upload(file, PNG)
    address = f"/downloads/{site.sign(Purpose.FILE_DOWNLOAD, file=file.pk)}"
    response = await site.client.get(address, headers={"Range": header})
    assert response.status_code == status
    assert response.content == (PNG if status == 200 else b"")
    if status == 416:
        assert response.headers["content-range"] == f"bytes */{len(PNG)}"


async def test_a_file_that_the_client_has_is_not_sent_again(site: Site) -> None:
    file = await announce_file(site.action())
    await site.upload(file, PNG)
    address = f"/downloads/{site.sign(Purpose.FILE_DOWNLOAD, file=file.pk)}"
    etag = (await site.client.get(address)).headers["etag"]
    for tags, status in ((etag, 304), (f'"x", W/{etag}', 304), ("*", 304), ('"x"', 200)):
        response = await site.client.get(address, headers={"If-None-Match": tags})
        assert response.status_code == status
        assert response.content == (b"" if status == 304 else PNG)


async def test_content_of_another_type_than_announced_is_refused(site: Site) -> None:
    page = b"<!doctype html><script>alert(1)</script>"
    file = await announce_file(site.action(), page)
    response = await site.upload(file, page)
    assert (response.status_code, response.json()["code"]) == (415, "OTHER_CONTENT")
    await assert_nothing_stored(site, file)


async def assert_nothing_stored(site: Site, file: File) -> None:
    """Asserts that no bytes are stored, the file is still announced, and the right content is still
    accepted.
    """
    assert site.stored_files() == {}
    assert (await File.get(pk=file.pk)).uploaded_at is None
    assert (
        await site.client.get(f"/downloads/{site.sign(Purpose.DOWNLOAD, file=file.pk)}")
    ).status_code == 404


@pytest.mark.parametrize("content_length", ["true", "none", "wrong"])
@pytest.mark.parametrize(
    ("content", "status"), [(PNG + b"!", 413), (PNG[:-1], 400), (b"", 400), (PNG * 50, 413)]
)
async def test_a_size_other_than_announced_is_refused(
    site: Site, content: bytes, status: int, content_length: str
) -> None:
    file = await announce_file(site.action())
    token = site.sign(Purpose.UPLOAD, file=file.pk)
    headers = {
        "wrong": {"Content-Length": str(file.size)},
        "true": {"Content-Length": str(len(content))},
    }.get(content_length, {})
    response = await site.client.put(
        f"/uploads/{token}", content=in_chunks(content, 300), headers=headers
    )
    assert response.status_code == status
    await assert_nothing_stored(site, file)
    assert (await site.upload(file, PNG)).status_code == 201


@pytest.mark.parametrize("length", ["9" * 6000, "-1", "1e3", "²", ""])
async def test_an_invalid_content_length_is_not_a_server_error(site: Site, length: str) -> None:
    file = await announce_file(site.action())
    token = site.sign(Purpose.UPLOAD, file=file.pk)
    headers = [(b"Content-Length", length.encode("latin-1"))]
    assert (
        await site.client.put(f"/uploads/{token}", content=PNG, headers=headers)
    ).status_code in (400, 413)


async def test_an_endless_body_is_cut_off(site: Site) -> None:
    file, chunks_sent = await announce_file(site.action()), 0
    token = site.sign(Purpose.UPLOAD, file=file.pk)

    async def endless_body() -> AsyncIterator[bytes]:
        nonlocal chunks_sent
        while True:
            chunks_sent += 1
            yield b"x" * 500

    assert (await site.client.put(f"/uploads/{token}", content=endless_body())).status_code == 413
    assert chunks_sent < 10
    await assert_nothing_stored(site, file)


async def test_a_compressed_body_is_refused(site: Site) -> None:
    file = await announce_file(site.action())
    assert (await site.upload(file, PNG, **{"Content-Encoding": "gzip"})).status_code == 415


@contextmanager
def limited_file_size(size: int) -> Iterator[None]:
    """Limits the size of files that this process can write, so that writing fails as on a full disk
    (setrlimit(2)).
    """
    resource = pytest.importorskip("resource", reason="this system knows no such limit")
    previous_limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, previous_limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, previous_limits)


async def test_a_full_disk_stores_nothing_and_the_upload_can_be_retried(site: Site) -> None:
    large_content = PNG + bytes(MAX_BYTES - len(PNG))
    file = await announce_file(site.action(), large_content)
    with limited_file_size(MAX_BYTES - 100_000), capture_logs() as logged:
        response = await site.upload(file, large_content, **ENGLISH)
    assert (response.status_code, response.json()["code"]) == (507, "STORE_FULL")
    assert "storage is full" in response.json()["message"]
    assert [(each["event"], each["file"]) for each in logged] == [("store.full", file.pk)]
    await assert_nothing_stored(site, file)
    assert (await site.upload(file, large_content)).status_code == 201
    assert site.stored_files() == {(await File.get(pk=file.pk)).key: large_content}


async def test_a_repeated_upload_changes_nothing_and_a_different_file_is_refused(
    site: Site,
) -> None:
    file = await announce_file(site.action())
    assert [(await site.upload(file, PNG)).status_code for _ in range(3)] == [201, 200, 200]
    response = await site.upload(file, OTHER_PNG, **ENGLISH)
    assert (response.status_code, response.json()["message"]) == (
        409,
        "A different file has already been uploaded with this link.",
    )
    await file.refresh_from_db()
    assert site.stored_files() == {file.key: PNG}
    assert file.sha256 == sha256(PNG).hexdigest()


async def test_exactly_one_of_concurrent_uploads_is_stored(site: Site) -> None:
    file, barrier = await announce_file(site.action()), asyncio.Barrier(8)
    token = site.sign(Purpose.UPLOAD, file=file.pk)

    async def pause_halfway(content: bytes) -> AsyncIterator[bytes]:
        yield content[:500]
        await barrier.wait()  # every upload is halfway before any continues
        yield content[500:]

    contents = [PNG, OTHER_PNG] * 4
    uploads = [
        site.client.put(f"/uploads/{token}", content=pause_halfway(content)) for content in contents
    ]
    statuses = [response.status_code for response in await asyncio.gather(*uploads)]
    assert sorted(statuses) == [200, 200, 200, 201, 409, 409, 409, 409]
    await file.refresh_from_db()
    stored_content = contents[statuses.index(201)]
    assert site.stored_files() == {file.key: stored_content}
    assert file.sha256 == sha256(stored_content).hexdigest()


@pytest.mark.parametrize(
    "damaged_part", ["forged", "expired", "download", "verify", "unknown", "garbage"]
)
async def test_a_damaged_upload_link_is_refused(
    site: Site, clock: "MovableClock", damaged_part: str
) -> None:
    file = await announce_file(site.action())
    token = {
        "download": site.sign(Purpose.DOWNLOAD, file=file.pk),
        "verify": site.sign(Purpose.VERIFY_EMAIL, file=file.pk),
        "unknown": site.sign(Purpose.UPLOAD, file=file.pk + 1),
        "garbage": "%00%ff..é",
        "forged": "a" + site.sign(Purpose.UPLOAD, file=file.pk),
    }.get(damaged_part, site.sign(Purpose.UPLOAD, file=file.pk))
    if damaged_part == "expired":
        clock.advance(timedelta(minutes=5))
    response = await site.client.put(f"/uploads/{token}", content=PNG)
    assert (response.status_code, response.json()["code"]) == (404, "TOKEN_INVALID")
    await assert_nothing_stored(site, file)


@pytest.mark.parametrize(
    "damaged_part", ["forged", "expired", "upload", "verify", "unknown", "other facts", "garbage"]
)
async def test_a_damaged_download_link_shows_a_404_page(
    site: Site, clock: "MovableClock", damaged_part: str
) -> None:
    file = await announce_file(site.action())
    await site.upload(file, PNG)
    token = {
        "upload": site.sign(Purpose.UPLOAD, file=file.pk),
        "verify": site.sign(Purpose.VERIFY_EMAIL, file=file.pk),
        "unknown": site.sign(Purpose.DOWNLOAD, invoice=file.pk),
        "other facts": site.sign(Purpose.DOWNLOAD, user=file.pk),
        "garbage": "%00%ff..é",
        "forged": "a" + site.sign(Purpose.DOWNLOAD, file=file.pk),
    }.get(damaged_part, site.sign(Purpose.DOWNLOAD, file=file.pk))
    if damaged_part == "expired":
        clock.advance(timedelta(minutes=5))
    response = await site.client.get(f"/downloads/{token}", headers=ENGLISH)
    assert response.status_code == 404
    assert "no longer valid" in response.text
    assert (await site.client.head(f"/downloads/{token}")).status_code == 404


async def test_p4_1_an_operator_s_download_of_a_kept_invoice_is_recorded(site: Site) -> None:
    await unconfirmed_payment(site)
    account = await Account.get()
    operator = await create_staff(site.action(), "Omar", Staff.OPERATOR)
    purchase = await Purchase.get()
    invoice = await create_invoice(site.action(), account, purchase, 1)
    pdf: Any = {"pdf": b"%PDF", "sha256": sha256(b"%PDF").hexdigest(), "invoice": invoice}
    await InvoiceDocument.create(**pdf, created_at=invoice.issued_at)
    links = [
        f"/downloads/{site.sign(Purpose.DOWNLOAD, invoice=invoice.pk, **reader)}"
        for reader in ({}, {"reader": operator.pk})
    ]

    async def recorded() -> list[tuple[int | None, int | None]]:
        entries = await AuditEntry.filter(action="kept_invoice.download")
        return [(entry.actor_id, entry.object_id) for entry in entries]

    for link in links:
        assert (await site.client.get(link)).content == b"%PDF"
    assert await recorded() == []  # of a company that isn't erased
    await Account.filter(pk=account.pk).update(status=AccountStatus.ERASED)
    await site.client.head(links[1])
    assert await recorded() == []
    assert (await site.client.get(links[1])).content == b"%PDF"
    assert await recorded() == [(operator.pk, invoice.pk)]


async def test_an_invoice_is_saved_under_its_number(site: Site) -> None:
    """Its document is generated at once if it is missing."""
    _, payment = await unconfirmed_payment(site)
    assert payment.confirmation_url
    await site.client.post(payment.confirmation_url, data={"outcome": "approve"})
    invoice = await Invoice.get()
    assert not await InvoiceDocument.exists()
    for purpose in (Purpose.DOWNLOAD, Purpose.EMAIL_DOWNLOAD):
        address = f"/downloads/{site.sign(purpose, invoice=invoice.pk)}"
        response, head = await site.client.get(address), await site.client.head(address)
        document = await InvoiceDocument.get(invoice_id=invoice.pk)
        assert sha256(response.content).hexdigest() == document.sha256
        assert response.headers["etag"] == f'"{document.sha256}"'
        assert f'filename="{invoice.number}.pdf"' in response.headers["content-disposition"]
        assert response.headers["content-type"] == "application/pdf"
        assert head.headers["content-length"] == str(len(response.content))
        assert head.content == b""
        unchanged = {"If-None-Match": response.headers["etag"]}
        assert (await site.client.get(address, headers=unchanged)).status_code == 304


@pytest.mark.parametrize(
    "name", ["été à l’Île.png", 'a"b\\c%41.png', "日本.png", "x;filename=y.png", "a\u00a0b.png"]
)
async def test_any_file_name_is_encoded_in_the_header(site: Site, name: str) -> None:
    file = await announce_file(site.action(), name=name)
    await site.upload(file, PNG)
    response = await site.client.get(f"/downloads/{site.sign(Purpose.DOWNLOAD, file=file.pk)}")
    header = response.headers["content-disposition"]
    assert header.endswith(f"filename*=UTF-8''{quote(name, safe='')}")
    assert header.startswith('attachment; filename="')
    assert header.count('"') == 2


@asynccontextmanager
async def serve(site: Site) -> AsyncIterator[int]:
    """The port of a real server."""
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(site.services, site.file_service), port=0, log_config=None, lifespan="off"
        )
    )
    serve_task = asyncio.create_task(server.serve())
    await wait_until(lambda: server.started)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serve_task


async def test_an_interrupted_upload_leaves_nothing(site: Site) -> None:
    file = await announce_file(site.action())
    async with serve(site) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        token = site.sign(Purpose.UPLOAD, file=file.pk)
        head = f"PUT /uploads/{token} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(PNG)}\r\n\r\n"
        writer.write(head.encode() + PNG[:500])
        await wait_until(lambda: bool(site.stored_files()))
        writer.close()
        await wait_until(lambda: not site.stored_files())
    await assert_nothing_stored(site, file)
