"""Files in an object store with the S3 protocol.

An object exists once its upload is completed, so no one can read half of it. Every error of the
store except "no such key" becomes StoreUnavailable, after which the same request can be repeated.
Nothing is requested when the application starts, so that it doesn't depend on the network.

obstore's own timeout is for a request from its start to the last byte, and would cut off people
with slow connections. So reading uses a separate client, with a timeout for each response of the
store.
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

from storage.store import KEY_PATTERN, FolderStore, Store, StoredObject, StoreUnavailable

if TYPE_CHECKING:
    from obstore import BytesStream, GetResult
    from obstore.store import S3Config

_CHUNK_SIZE = 64 * 1024
_PART_SIZE = 5 * 1024 * 1024  # S3's smallest part of an upload
_KNOWN_OPTIONS = {"endpoint", "region"}
_TIMEOUT_SECONDS = 30.0  # for an answer of the store, for one part, or for the next bytes


class ObjectStore:
    """Implements Store in a bucket: `s3://bucket/prefix?endpoint=https://host&region=name`. Raises
    ValueError otherwise.

    `seconds` is the timeout for each response of the store.
    """

    def __init__(
        self, url: str, key_id: str, secret: str, seconds: float = _TIMEOUT_SECONDS
    ) -> None:
        parts, options = urlsplit(url), dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
        if (
            parts.scheme != "s3"
            or not parts.netloc
            or options.keys() - _KNOWN_OPTIONS
            or not (key_id and secret)
        ):
            raise ValueError(
                "s3://bucket/prefix?endpoint=https://host&region=name, with CAMCHA_S3_KEY_ID and "
                "CAMCHA_S3_SECRET"
            )
        self._seconds = seconds
        self._prefix = f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""
        config = _config(options, key_id, secret)
        allow_http = options.get("endpoint", "").startswith("http://")
        self._store = _client(parts.netloc, config, allow_http, timedelta(seconds=seconds))
        self._streaming_store = _client(parts.netloc, config, allow_http, timedelta(days=1))

    async def put(self, key: str, chunks: AsyncIterable[bytes]) -> StoredObject:
        """Upload in parts, and complete the upload at the end. If `chunks` raises, the
        exception propagates and the key keeps its content.

        Raises StoreUnavailable.
        """
        name, recorded_chunks = self._name(key), _RecordedChunks(chunks)
        try:
            await obstore.put_async(
                self._store, name, recorded_chunks, use_multipart=True, chunk_size=_PART_SIZE
            )
        except (BaseError, FileNotFoundError) as error:  # also raised when the bucket is not found
            raise recorded_chunks.error or StoreUnavailable() from error
        except Exception:
            if recorded_chunks.error:
                raise recorded_chunks.error from None
            raise
        return StoredObject(recorded_chunks.size, recorded_chunks.digest.hexdigest())

    async def open(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Return a part of the content in chunks. Raises FileNotFoundError, StoreUnavailable.

        The object is read from its beginning: some compatible stores answer requests for a range
        in a way that obstore refuses.
        """
        name = self._name(key)
        try:
            async with asyncio.timeout(self._seconds):
                result = await obstore.get_async(self._streaming_store, name)
        except FileNotFoundError:
            raise FileNotFoundError(key) from None
        except (BaseError, TimeoutError) as error:
            raise StoreUnavailable from error
        return _part(_read(result, self._seconds), start, end)

    async def delete(self, key: str) -> None:
        """Delete the object, if there is one. Raises StoreUnavailable."""
        name = self._name(key)
        try:
            await obstore.delete_async(self._store, name)
        except FileNotFoundError:
            return
        except BaseError as error:
            raise StoreUnavailable from error

    async def stored_keys(self) -> AsyncIterator[str]:
        """Yield the keys of all objects. Raises StoreUnavailable."""
        try:
            async for page in obstore.list(self._store, self._prefix or None, chunk_size=1_000):
                for item in page:
                    key = item["path"].removeprefix(self._prefix)
                    if KEY_PATTERN.fullmatch(key):
                        yield key
        except BaseError as error:
            raise StoreUnavailable from error

    def _name(self, key: str) -> str:
        if not KEY_PATTERN.fullmatch(key):
            raise ValueError("not a key of a store")
        return f"{self._prefix}{key}"


def _client(bucket: str, config: "S3Config", allow_http: bool, timeout: timedelta) -> S3Store:
    return S3Store(
        bucket,
        config=config,
        client_options={"timeout": timeout, "connect_timeout": "3s", "allow_http": allow_http},
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=6)},
    )


def _config(options: dict[str, str], key_id: str, secret: str) -> "S3Config":
    config: S3Config = {
        "access_key_id": key_id,
        "secret_access_key": secret,
        "region": options.get("region", "us-east-1"),
    }
    if "endpoint" in options:
        config["endpoint"] = options["endpoint"]
    return config


class _RecordedChunks:
    """Passes chunks on, and records their size, their digest and the exception that reading them
    raised.
    """

    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        self._chunks = aiter(chunks)
        self.digest, self.size = hashlib.sha256(), 0
        self.error: BaseException | None = None

    def __aiter__(self) -> "_RecordedChunks":
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            raise
        except BaseException as error:
            self.error = error
            raise
        self.digest.update(chunk)
        self.size += len(chunk)
        return chunk


async def _part(chunks: AsyncIterator[bytes], start: int, end: int | None) -> AsyncIterator[bytes]:
    position = 0
    async for chunk in chunks:
        if part := chunk[max(0, start - position) : None if end is None else end - position]:
            yield part
        position += len(chunk)
        if end is not None and position >= end:
            return


async def _read(result: "GetResult", seconds: float) -> AsyncIterator[bytes]:
    chunks = result.stream(min_chunk_size=_CHUNK_SIZE)
    while chunk := await _next(chunks, seconds):
        yield chunk


async def _next(chunks: "BytesStream", seconds: float) -> bytes:
    try:
        async with asyncio.timeout(seconds):
            return bytes(await anext(chunks, b""))
    except (BaseError, TimeoutError) as error:
        raise StoreUnavailable from error


def store_from_url(location: str, key_id: str, secret: str) -> Store:
    """Return the store in a folder, or at an `s3://` URL. Raises ValueError for an invalid URL."""
    return (
        ObjectStore(location, key_id, secret)
        if location.startswith("s3://")
        else FolderStore(Path(location))
    )
