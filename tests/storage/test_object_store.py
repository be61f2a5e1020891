"""Files in an object store, with a real server that speaks S3: writes are atomic, and outages are
reported.
"""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from storage.object_store import ObjectStore
from storage.store import StoreUnavailable, random_key
from tests.web.web_fixtures import in_chunks


class S3Server:
    """A server that speaks S3 and checks signatures, over a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bucket").mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.start()

    def start(self) -> None:
        program = Path(sys.executable).with_name("rclone")
        options = [
            "--addr",
            f"127.0.0.1:{self.port}",
            "--auth-key",
            "key,secret",
            "--config",
            str(self.folder / "rclone.conf"),
        ]
        command = [
            str(program),
            "serve",
            "s3",
            *options,
            "--vfs-cache-mode",
            "off",
            str(self.folder),
        ]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(self.address)
            except httpx.TransportError:
                assert self.process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def store(self) -> ObjectStore:
        return self.store_with_secret("secret")

    def store_with_secret(self, secret: str, seconds: float = 30) -> ObjectStore:
        return ObjectStore(
            f"s3://bucket/files?endpoint={self.address}&region=eu-west-3", "key", secret, seconds
        )

    @property
    def keys(self) -> set[str]:
        """The keys in the bucket."""
        bucket = self.folder / "bucket"
        return {str(path.relative_to(bucket)) for path in bucket.rglob("*") if path.is_file()}

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    s3_server = S3Server(tmp_path_factory.mktemp("s3"))
    yield s3_server
    s3_server.kill()


async def test_files_are_read_deleted_and_replaced_atomically(s3_server: S3Server) -> None:
    store, key, content = s3_server.store, random_key(), bytes(range(256)) * 25_000  # two parts
    await store.put(key, in_chunks(b"first"))
    stored = await store.put(key, in_chunks(content, 70_000))
    assert (stored.size, stored.sha256) == (len(content), sha256(content).hexdigest())
    assert f"files/{key}" in s3_server.keys
    assert b"".join([chunk async for chunk in await store.open(key)]) == content
    for start, end in ((3, None), (2, 5), (0, 10), (0, 1)):
        part = b"".join([chunk async for chunk in await store.open(key, start, end)])
        assert part == content[start:end]
    await store.delete(key)
    await store.delete(key)
    with pytest.raises(FileNotFoundError):
        await store.open(key)


async def test_an_interrupted_write_leaves_the_key_unchanged(s3_server: S3Server) -> None:
    """The error is passed on, because the upload's own checks need it."""

    async def failing_upload() -> AsyncIterator[bytes]:
        yield bytes(6_000_000)
        raise LookupError

    store, key = s3_server.store, random_key()
    with pytest.raises(LookupError):
        await store.put(key, failing_upload())
    assert f"files/{key}" not in s3_server.keys
    await store.put(key, in_chunks(b"first"))
    with pytest.raises(LookupError):
        await store.put(key, failing_upload())
    assert b"".join([chunk async for chunk in await store.open(key)]) == b"first"


async def test_invalid_keys_are_refused(s3_server: S3Server) -> None:
    for key in ("", "../other", "a" * 15, "a" * 20 + "\n"):
        with pytest.raises(ValueError, match="not a key"):
            await s3_server.store.put(key, in_chunks(b"x"))
        with pytest.raises(ValueError, match="not a key"):
            await s3_server.store.open(key)
        with pytest.raises(ValueError, match="not a key"):
            await s3_server.store.delete(key)


async def test_a_cancelled_upload_leaves_nothing(s3_server: S3Server) -> None:
    started = asyncio.Event()

    async def endless_upload() -> AsyncIterator[bytes]:
        while True:
            yield bytes(100_000)
            started.set()
            await asyncio.sleep(0)

    key = random_key()
    upload = asyncio.create_task(s3_server.store.put(key, endless_upload()))
    await started.wait()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert f"files/{key}" not in s3_server.keys


async def test_an_outage_is_reported_until_it_ends(tmp_path: Path) -> None:
    s3_server = S3Server(tmp_path)
    store, key = s3_server.store, random_key()
    s3_server.kill()
    with pytest.raises(StoreUnavailable):
        await store.put(key, in_chunks(b"x"))
    with pytest.raises(StoreUnavailable):
        await store.open(key)
    with pytest.raises(StoreUnavailable):
        await store.delete(key)
    s3_server.start()
    await store.put(key, in_chunks(b"x"))
    assert b"".join([chunk async for chunk in await store.open(key)]) == b"x"
    s3_server.kill()


async def test_a_slow_download_completes(s3_server: S3Server) -> None:
    """The time limit applies to the store, not to the client."""
    key, content = random_key(), bytes(range(256)) * 40_000
    await s3_server.store.put(key, in_chunks(content, 100_000))
    chunks: list[bytes] = []
    async for chunk in await s3_server.store_with_secret("secret", 0.5).open(key):
        chunks.append(chunk)
        if len(chunks) < 8:  # longer than its timeout and all retries
            await asyncio.sleep(0.5)
    assert b"".join(chunks) == content


@pytest.mark.parametrize(
    "response_head", ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nETag: x\r\nLast-Modified: "]
)
async def test_an_unresponsive_store_is_unavailable(response_head: str) -> None:
    """It may stop before its first byte or in the middle of the content."""
    response = (
        f"{response_head}Wed, 25 Nov 2026 09:00:00 GMT\r\n\r\nabc".encode()
        if response_head
        else b""
    )
    is_test_over = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)
        await is_test_over.wait()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1") as server:
        url = f"s3://bucket?endpoint=http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        store = ObjectStore(url, "key", "secret", 0.2)
        with pytest.raises(StoreUnavailable):
            assert [chunk async for chunk in await store.open(random_key())] == []
        is_test_over.set()


async def test_a_store_that_refuses_access_is_unavailable(s3_server: S3Server) -> None:
    """Including when the bucket doesn't exist."""
    missing_bucket = ObjectStore(f"s3://others?endpoint={s3_server.address}", "key", "secret")
    for store in (s3_server.store_with_secret("wrong"), missing_bucket):
        with pytest.raises(StoreUnavailable):
            await store.put(random_key(), in_chunks(b"x"))
    with pytest.raises(StoreUnavailable):
        await s3_server.store_with_secret("wrong").open(random_key())


@pytest.mark.parametrize(
    ("url", "key_id"),
    [("s3://", "k"), ("s3://bucket", ""), ("s3://bucket?secret=x", "k"), ("https://bucket", "k")],
)
def test_an_invalid_address_is_reported(url: str, key_id: str) -> None:
    with pytest.raises(ValueError, match="s3://bucket/prefix"):
        ObjectStore(url, key_id, "secret")
