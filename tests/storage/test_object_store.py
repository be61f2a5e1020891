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
from tests.web.web_fixtures import bytewise


class Peer:
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
        at = [
            "--addr",
            f"127.0.0.1:{self.port}",
            "--auth-key",
            "key,secret",
            "--config",
            str(self.folder / "rclone.conf"),
        ]
        command = [str(program), "serve", "s3", *at, "--vfs-cache-mode", "off", str(self.folder)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 60
        while True:
            try:
                httpx.get(self.address)
            except httpx.TransportError:
                assert self.process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)
            else:
                return

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def store(self) -> ObjectStore:
        return self.store_as("secret")

    def store_as(self, secret: str, seconds: float = 30) -> ObjectStore:
        return ObjectStore(
            f"s3://bucket/files?endpoint={self.address}&region=eu-west-3", "key", secret, seconds
        )

    @property
    def names(self) -> set[str]:
        """The keys in the bucket."""
        bucket = self.folder / "bucket"
        return {str(path.relative_to(bucket)) for path in bucket.rglob("*") if path.is_file()}

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    peer = Peer(tmp_path_factory.mktemp("s3"))
    yield peer
    peer.kill()


async def test_files_are_read_deleted_and_replaced_atomically(peer: Peer) -> None:
    store, key, large = peer.store, random_key(), bytes(range(256)) * 25_000  # two parts
    await store.put(key, bytewise(b"first"))
    stored = await store.put(key, bytewise(large, 70_000))
    assert (stored.size, stored.sha256) == (len(large), sha256(large).hexdigest())
    assert f"files/{key}" in peer.names
    assert b"".join([chunk async for chunk in await store.open(key)]) == large
    await store.delete(key)
    await store.delete(key)
    with pytest.raises(FileNotFoundError):
        await store.open(key)


async def test_an_interrupted_write_leaves_the_key_unchanged(peer: Peer) -> None:
    """The error is passed on, because the upload's own checks need it."""

    async def broken() -> AsyncIterator[bytes]:
        yield bytes(6_000_000)
        raise LookupError

    store, key = peer.store, random_key()
    with pytest.raises(LookupError):
        await store.put(key, broken())
    assert f"files/{key}" not in peer.names
    await store.put(key, bytewise(b"first"))
    with pytest.raises(LookupError):
        await store.put(key, broken())
    assert b"".join([chunk async for chunk in await store.open(key)]) == b"first"


async def test_invalid_keys_are_refused(peer: Peer) -> None:
    for key in ("", "../other", "a" * 15, "a" * 20 + "\n"):
        with pytest.raises(ValueError, match="not a key"):
            await peer.store.put(key, bytewise(b"x"))
        with pytest.raises(ValueError, match="not a key"):
            await peer.store.open(key)
        with pytest.raises(ValueError, match="not a key"):
            await peer.store.delete(key)


async def test_a_cancelled_upload_leaves_nothing(peer: Peer) -> None:
    started = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(100_000)
            started.set()
            await asyncio.sleep(0)

    key = random_key()
    uploading = asyncio.create_task(peer.store.put(key, endless()))
    await started.wait()
    uploading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await uploading
    assert f"files/{key}" not in peer.names


async def test_an_outage_is_reported_and_ends(tmp_path: Path) -> None:
    peer = Peer(tmp_path)
    store, key = peer.store, random_key()
    peer.kill()
    with pytest.raises(StoreUnavailable):
        await store.put(key, bytewise(b"x"))
    with pytest.raises(StoreUnavailable):
        await store.open(key)
    with pytest.raises(StoreUnavailable):
        await store.delete(key)
    peer.start()
    await store.put(key, bytewise(b"x"))
    assert b"".join([chunk async for chunk in await store.open(key)]) == b"x"
    peer.kill()


async def test_a_slow_download_completes(peer: Peer) -> None:
    """The time limit applies to the store, not to the client."""
    key, large = random_key(), bytes(range(256)) * 40_000
    await peer.store.put(key, bytewise(large, 100_000))
    got: list[bytes] = []
    async for chunk in await peer.store_as("secret", 0.5).open(key):
        got.append(chunk)
        if len(got) < 8:  # longer than its timeout and all retries
            await asyncio.sleep(0.5)
    assert b"".join(got) == large


@pytest.mark.parametrize(
    "before", ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nETag: x\r\nLast-Modified: "]
)
async def test_an_unresponsive_store_is_unavailable(before: str) -> None:
    """Before its first byte, and in the middle of the content."""
    response_bytes = f"{before}Wed, 25 Nov 2026 09:00:00 GMT\r\n\r\nabc".encode() if before else b""
    gone = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response_bytes)
        await gone.wait()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1") as server:
        url = f"s3://bucket?endpoint=http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        store = ObjectStore(url, "key", "secret", 0.2)
        with pytest.raises(StoreUnavailable):
            assert [chunk async for chunk in await store.open(random_key())] == []
        gone.set()


async def test_a_store_that_refuses_access_is_unavailable(peer: Peer) -> None:
    """Including when the bucket doesn't exist."""
    elsewhere = ObjectStore(f"s3://others?endpoint={peer.address}", "key", "secret")
    for store in (peer.store_as("wrong"), elsewhere):
        with pytest.raises(StoreUnavailable):
            await store.put(random_key(), bytewise(b"x"))
    with pytest.raises(StoreUnavailable):
        await peer.store_as("wrong").open(random_key())


@pytest.mark.parametrize(
    ("url", "key_id"),
    [("s3://", "k"), ("s3://bucket", ""), ("s3://bucket?secret=x", "k"), ("https://bucket", "k")],
)
def test_an_invalid_address_is_reported(url: str, key_id: str) -> None:
    with pytest.raises(ValueError, match="s3://bucket/prefix"):
        ObjectStore(url, key_id, "secret")
