"""Files in an object store that speaks S3's protocol.

An object is there once its upload is completed, so nobody sees half of one. Whatever the store answers but "no such key" is
StoreUnavailable: the caller tells that it can be tried again. Nothing is asked at the start, which must not hang on a network.

The library's own timeout counts from a request's start to its last byte. Whoever downloads slowly would be cut off by it, so
reading has a client of its own, whose patience is with the store alone.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from storage.store import KEY, FolderStore, Store, StoredObject, StoreUnavailable

if TYPE_CHECKING:
    from obstore import BytesStream, GetResult
    from obstore.store import S3Config

_CHUNK = 64 * 1024
_PART = 5 * 1024 * 1024  # S3's smallest part of an upload
_KNOWN = {"endpoint", "region"}
_SECONDS = 30.0  # that the store may take for an answer, for a part, or for the next bytes


class ObjectStore:
    """Implements Store in a bucket: `s3://bucket/prefix?endpoint=https://host&region=name`. Raises ValueError otherwise.

    `seconds` is its patience with the store.
    """

    def __init__(self, url: str, key_id: str, secret: str, seconds: float = _SECONDS) -> None:
        parts, asked = urlsplit(url), dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
        if parts.scheme != "s3" or not parts.netloc or asked.keys() - _KNOWN or not (key_id and secret):
            raise ValueError("s3://bucket/prefix?endpoint=https://host&region=name, with CAMCHA_S3_KEY_ID and CAMCHA_S3_SECRET")
        self._seconds = seconds
        self._prefix = f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""
        config, plain = _config(asked, key_id, secret), asked.get("endpoint", "").startswith("http://")
        self._store = _client(parts.netloc, config, plain, timedelta(seconds=seconds))
        self._reading = _client(parts.netloc, config, plain, timedelta(days=1))

    async def put(self, key: str, chunks: AsyncIterable[bytes]) -> StoredObject:
        """Upload in parts, and complete at the end: what `chunks` raises comes through, and the key stays as it was.

        Raises StoreUnavailable.
        """
        name, taken = self._name(key), _RecordedChunks(chunks)
        try:
            await obstore.put_async(self._store, name, taken, use_multipart=True, chunk_size=_PART)
        except (BaseError, FileNotFoundError) as fault:  # the bucket may be the one that isn't found
            raise taken.fault or StoreUnavailable() from fault
        except Exception:
            if taken.fault:
                raise taken.fault from None
            raise
        return StoredObject(taken.size, taken.digest.hexdigest())

    async def open(self, key: str) -> AsyncIterator[bytes]:
        """The bytes, in chunks. Raises FileNotFoundError, StoreUnavailable."""
        name = self._name(key)
        try:
            async with asyncio.timeout(self._seconds):
                found = await obstore.get_async(self._reading, name)
        except FileNotFoundError:
            raise FileNotFoundError(key) from None
        except (BaseError, TimeoutError) as fault:
            raise StoreUnavailable from fault
        return _read(found, self._seconds)

    async def delete(self, key: str) -> None:
        """Forget the bytes, if there are any. Raises StoreUnavailable."""
        name = self._name(key)
        try:
            await obstore.delete_async(self._store, name)
        except FileNotFoundError:
            return
        except BaseError as fault:
            raise StoreUnavailable from fault

    def _name(self, key: str) -> str:
        if not KEY.fullmatch(key):
            raise ValueError("no key of a store")
        return f"{self._prefix}{key}"


def _client(bucket: str, config: "S3Config", plain: bool, timeout: timedelta) -> S3Store:
    return S3Store(
        bucket, config=config, client_options={"timeout": timeout, "connect_timeout": "3s", "allow_http": plain},
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=6)},
    )  # fmt: skip


def _config(asked: dict[str, str], key_id: str, secret: str) -> "S3Config":
    config: S3Config = {
        "access_key_id": key_id,
        "secret_access_key": secret,
        "region": asked.get("region", "us-east-1"),
    }
    if "endpoint" in asked:
        config["endpoint"] = asked["endpoint"]
    return config


class _RecordedChunks:
    """Hands chunks on, and remembers what they were and what went wrong with them."""

    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        self._chunks = aiter(chunks)
        self.digest, self.size = hashlib.sha256(), 0
        self.fault: BaseException | None = None

    def __aiter__(self) -> "_RecordedChunks":
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            raise
        except BaseException as fault:
            self.fault = fault
            raise
        self.digest.update(chunk)
        self.size += len(chunk)
        return chunk


async def _read(found: "GetResult", seconds: float) -> AsyncIterator[bytes]:
    chunks = found.stream(min_chunk_size=_CHUNK)
    while chunk := await _next(chunks, seconds):
        yield chunk


async def _next(chunks: "BytesStream", seconds: float) -> bytes:
    try:
        async with asyncio.timeout(seconds):
            return bytes(await anext(chunks, b""))
    except (BaseError, TimeoutError) as fault:
        raise StoreUnavailable from fault


def store_from_url(files: str, key_id: str, secret: str) -> Store:
    """The store at a folder's path, or at an `s3://` URL. Raises ValueError for a URL that can't be used."""
    return ObjectStore(files, key_id, secret) if files.startswith("s3://") else FolderStore(Path(files))
