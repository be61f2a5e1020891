"""Stores emails as they arrive, before anyone is told that they were accepted."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from tortoise.exceptions import IntegrityError

from models.support.incoming_email import IncomingEmail, IncomingEmailSource
from storage.store import Store, random_key
from support.incoming.parsing import ParsedEmail

_CHUNK_SIZE = 65_536


@dataclass(frozen=True)
class Envelope:
    """Who sent an email and to whom, as mail servers tell each other (RFC 5321). It is stored as
    headers, as by any mail server that delivers an email.
    """

    sender: str
    recipients: Sequence[str]

    @property
    def headers(self) -> bytes:
        """The headers that state the envelope."""
        lines = [f"Return-Path: <{self.sender}>"]
        lines += [f"Delivered-To: {recipient}" for recipient in self.recipients]
        text = "".join(f"{' '.join(line.split())}\r\n" for line in lines)
        return text.encode("utf-8", "surrogateescape")


async def store_email(
    store: Store,
    at: datetime,
    source: IncomingEmailSource,
    raw: bytes,
    *,
    source_key: str | None = None,
    size: int | None = None,
) -> None:
    """Store an email. The next run of the job decides about it.

    An email with a `source_key` is stored once. `size` is its size when `raw` are only its headers.
    Raises StoreUnavailable and StoreFull.
    """
    if source_key and await IncomingEmail.filter(source_key=source_key).exists():
        return
    fingerprint = await asyncio.to_thread(lambda: ParsedEmail(raw).fingerprint)
    key = random_key()
    await store.put(key, _chunks(raw))
    try:
        await IncomingEmail.create(
            source=source,
            source_key=source_key,
            raw_key=key,
            size=size or len(raw),
            is_partial=size is not None,
            fingerprint=fingerprint,
            received_at=at,
            next_attempt_at=at,
        )
    except Exception as error:
        await store.delete(key)
        if not isinstance(error, IntegrityError):  # another process was faster
            raise


async def read_email(store: Store, email: IncomingEmail) -> ParsedEmail:
    """Read a stored email. Raises FileNotFoundError and StoreUnavailable."""
    raw = b"".join([chunk async for chunk in await store.open(email.raw_key or "")])
    return await asyncio.to_thread(ParsedEmail, raw)


async def _chunks(raw: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(raw), _CHUNK_SIZE):
        yield raw[start : start + _CHUNK_SIZE]
