"""Reads an IMAP mailbox (RFC 3501). An email is marked as seen once it is stored.

The mailbox belongs to this installation: what a person has already opened there isn't read. Several
processes may read it at once, and an email that was stored before its process died is stored once,
because its key is made from what identifies it in the mailbox.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from hashlib import sha256

import structlog
from aioimaplib import IMAP4, IMAP4_SSL
from aioimaplib.aioimaplib import AioImapException

from models.support.incoming_email import IncomingEmailSource
from storage.store import Store
from support.incoming.options import MailboxOptions
from support.incoming.storing import store_email

_TIMEOUT = 60
_MAX_PER_RUN = 200
_UIDVALIDITY = re.compile(rb"UIDVALIDITY (\d+)")
_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")

log = structlog.stdlib.get_logger()


class MailboxUnavailable(Exception):
    """The server doesn't answer, or refuses a command. `reason` contains no personal data."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def read_mailbox(
    options: MailboxOptions, store: Store, now: Callable[[], datetime], max_bytes: int
) -> int:
    """Store the unseen emails of a mailbox, up to 200. Returns how many. While the server is
    unavailable, the next run continues.
    """
    client = _client(options)
    try:
        return await _read(client, options, store, now, max_bytes)
    except (MailboxUnavailable, AioImapException, OSError) as error:  # TimeoutError is an OSError
        reason = error.reason if isinstance(error, MailboxUnavailable) else type(error).__name__
        log.warning("mailbox.not_read", host=options.host, reason=reason)
        return 0
    finally:
        with suppress(AioImapException, OSError, AttributeError):
            await client.logout()
        if client.protocol.transport:
            client.protocol.transport.close()


def _client(options: MailboxOptions) -> IMAP4:
    if options.tls:
        return IMAP4_SSL(options.host, options.port, timeout=_TIMEOUT, ssl_context=options.tls)
    return IMAP4(options.host, options.port, timeout=_TIMEOUT)


async def _read(
    client: IMAP4,
    options: MailboxOptions,
    store: Store,
    now: Callable[[], datetime],
    max_bytes: int,
) -> int:
    await client.wait_hello_from_server()
    _lines(await client.login(options.user, options.password), "LOGIN")
    selected = _lines(await client.select(f'"{options.folder}"'), "SELECT")
    validity = _UIDVALIDITY.search(b"\n".join(selected))
    mailbox = [options.host, str(options.port), options.user, options.folder]
    prefix = " ".join([*mailbox, validity[1].decode() if validity else ""])
    found = _lines(await client.uid_search("UNSEEN", charset=None), "SEARCH")
    uids = [word.decode() for line in found for word in line.split() if word.isdigit()]
    count = 0
    for uid in uids[:_MAX_PER_RUN]:
        key = sha256(f"{prefix} {uid}".encode()).hexdigest()
        count += await _store(client, uid, key, store, now, max_bytes)
    return count


async def _store(
    client: IMAP4,
    uid: str,
    key: str,
    store: Store,
    now: Callable[[], datetime],
    max_bytes: int,
) -> bool:
    """Store one email, or only its headers if it is too large. An email that the server can't
    return doesn't hold up the others.
    """
    size = _SIZE.search(b"\n".join(await _fetch(client, uid, "RFC822.SIZE")))
    is_partial = size is not None and int(size[1]) > max_bytes
    part = "BODY.PEEK[HEADER]" if is_partial else "BODY.PEEK[]"
    raw = next(
        (bytes(line) for line in await _fetch(client, uid, part) if isinstance(line, bytearray)),
        None,
    )
    if raw is None:
        log.warning("mailbox.email_unreadable", uid=uid)
        return False
    stored_size = int(size[1]) if size and is_partial else None
    await store_email(store, now(), IncomingEmailSource.IMAP, raw, source_key=key, size=stored_size)
    _lines(await client.uid("store", uid, "+FLAGS", r"(\Seen)"), "STORE")
    return True


async def _fetch(client: IMAP4, uid: str, part: str) -> list[bytes]:
    response = await client.uid("fetch", uid, f"({part})")
    return list(response.lines) if response.result == "OK" else []


def _lines(response: object, command: str) -> list[bytes]:
    """The lines of a response. Raises MailboxUnavailable for one that isn't OK."""
    result, lines = getattr(response, "result", ""), getattr(response, "lines", [])
    if result != "OK":
        raise MailboxUnavailable(f"{command} {result}")
    return list(lines)
