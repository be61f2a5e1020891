"""Uploading files: a file is announced with its name, type and size, then uploaded once through a
signed link.

The upload must be exactly what was announced; the content is checked against the type as it
arrives.
"""

import re
from collections.abc import AsyncIterable, AsyncIterator
from enum import StrEnum

from auth import throttle
from auth.services import AuthServices
from models.accounts.account import Account
from models.action import Action, Transaction
from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.idempotency import earlier_result, store_result
from models.identity.user import User
from models.support.audit_actions import SupportAuditAction
from models.support.errors import SupportErrorCode
from models.support.file import File, FileStatus
from models.text import masked_line, optional_key
from storage.content import MAX_VIDEO_BYTES, ContentKind, Inspection, content_kind
from storage.file_service import FileService, scan_file
from storage.store import random_key

_NAME_LENGTH = 200
_FOLDER_SEPARATORS = re.compile(r"[/\\]")


class RejectionReason(StrEnum):
    """Why an upload was rejected."""

    TOO_LARGE = "TOO_LARGE"
    TOO_SMALL = "TOO_SMALL"
    OTHER_CONTENT = "OTHER_CONTENT"
    UPLOADED_BEFORE = "UPLOADED_BEFORE"
    INFECTED = "INFECTED"


class UploadRejected(Exception):
    """The upload differs from what was announced, or another upload was stored before it."""

    def __init__(self, reason: RejectionReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


async def announce(
    action: Action,
    auth: AuthServices,
    uploader: User,
    account: Account | None,
    *,
    name: str,
    content_type: str,
    size: int,
    key: str | None = None,
) -> File:
    """Announce a file of `size` bytes. Its upload link is signed by the caller.

    Raises FILE_UNSUPPORTED for the type, FILE_TOO_LARGE and FILE_EMPTY for the size, BLANK and
    TOO_LONG for the name, and Throttled, so that a single company, customer or member of staff
    can't fill the disk.
    """
    with Checks() as check:
        kind, name = _check_file(check, name, content_type, size)
        key = check(optional_key, key)
    throttle_subject = ("company", account.pk) if account else ("person", uploader.pk)
    keys = [throttle.key(throttle.FILES_PER_COMPANY, *throttle_subject)]
    if account:
        keys.append(throttle.key(throttle.FILES_PER_USER, uploader.pk))
    await auth.throttle.attempt(*keys)
    return await _announce(action, uploader, account, kind, name, size, key, content_type)


def _check_file(
    check: Checks, name: str, content_type: str, size: int
) -> tuple[ContentKind | None, str]:
    kind = content_kind(content_type, name)
    name = check(_file_name, name, kind)
    if kind is None:
        check.refuse(Refusal(SupportErrorCode.FILE_UNSUPPORTED, "input", "contentType"))
    max_bytes = kind.max_bytes if kind else MAX_VIDEO_BYTES
    if size < 1:
        check.refuse(Refusal(SupportErrorCode.FILE_EMPTY, "input", "size"))
    elif size > max_bytes:
        limit = max_bytes // 1024**2
        check.refuse(Refusal(SupportErrorCode.FILE_TOO_LARGE, "input", "size", limit=limit))
    return kind, name


async def _announce(
    action: Action,
    uploader: User,
    account: Account | None,
    kind: ContentKind | None,
    name: str,
    size: int,
    key: str | None,
    content_type: str,
) -> File:
    owner = f"user:{uploader.pk}"
    arguments = [account.pk if account else None, name, content_type, size]
    async with action.transaction() as tx:
        if earlier_id := await earlier_result(tx, owner, "fileAnnounce", key, arguments):
            return await _earlier_announcement(tx, earlier_id)
        file = await File.create(
            using_db=tx.db,
            key=random_key(),
            uploader=uploader,
            account=account,
            name=name,
            content_type=kind.media_type if kind else "",
            size=size,
            created_at=action.at,
        )
        tx.audit(SupportAuditAction.FILE_ANNOUNCE, file, size=file.size)
        await store_result(tx, owner, "fileAnnounce", key, file.pk)
    return file


async def store_attachment(
    action: Action,
    file_service: FileService,
    uploader: User,
    account: Account,
    *,
    name: str,
    content_type: str,
    content: bytes,
    key: str,
) -> File:
    """Store a file that someone sent by email, as if they had uploaded it. The same key returns the
    same file.

    Raises FILE_UNSUPPORTED, FILE_TOO_LARGE, FILE_EMPTY, and UploadRejected.
    """
    # Mail programs declare types that don't exist.
    content_type = content_type if content_kind(content_type, name) else ""
    with Checks() as check:
        kind, name = _check_file(check, name, content_type, len(content))
    size = len(content)
    file = await _announce(action, uploader, account, kind, name, size, key, content_type)
    await receive(action, file_service, file, _single_chunk(content))
    return file


async def _single_chunk(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _earlier_announcement(tx: Transaction, file_id: int) -> File:
    file = await File.get_or_none(pk=file_id, abandoned_at=None, using_db=tx.db)
    if file is None:  # deleted since, because it was never attached
        raise Refusal(CommonErrorCode.NOT_ACTIVE, "input", "idempotencyKey")
    return file


def _file_name(name: str, kind: ContentKind | None) -> str:
    """The last part of a path, without leading dots, spoofed extensions and card numbers."""
    base_name = masked_line(_FOLDER_SEPARATORS.split(name)[-1], "name", _NAME_LENGTH)
    clean_name = masked_line(base_name.lstrip(". "), "name", _NAME_LENGTH)
    return kind.with_extension(clean_name, _NAME_LENGTH) if kind else clean_name


async def receive(
    action: Action, file_service: FileService, file: File, chunks: AsyncIterable[bytes]
) -> bool:
    """Store the bytes of an announced file and scan them. True when they are new, False when the
    same were stored before.

    Raises UploadRejected. Each attempt writes under a key of its own, and the row takes the first
    complete one: concurrent uploads don't mix, and an interrupted one leaves nothing that a row
    refers to. While the scanner is unavailable, the file stays in quarantine: `cleared_at` is None
    until the worker's next scan.
    """
    key = random_key()
    stored_object = await file_service.store.put(key, _verified_chunks(file, chunks))
    columns = {
        "key": key,
        "sha256": stored_object.sha256,
        "uploaded_at": action.at,
        "cleared_at": None if file_service.scanner else action.at,
    }
    is_new = await File.filter(pk=file.pk, uploaded_at=None).update(**columns) == 1
    if not is_new:
        await file_service.store.delete(key)
    await file.refresh_from_db()
    if file.sha256 != stored_object.sha256:
        raise UploadRejected(RejectionReason.UPLOADED_BEFORE)
    if file.status is FileStatus.QUARANTINED and is_new:
        await scan_file(action, file_service, file)
        await file.refresh_from_db()
    if file.status is FileStatus.INFECTED:
        raise UploadRejected(RejectionReason.INFECTED)
    return is_new


async def _verified_chunks(file: File, chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The chunks, as long as they match what was announced."""
    inspection, size = Inspection(_announced_kind(file)), 0
    async for chunk in chunks:
        size += len(chunk)
        if size > file.size:
            raise UploadRejected(RejectionReason.TOO_LARGE)
        inspection.feed(chunk)
        yield chunk
    if size < file.size:
        raise UploadRejected(RejectionReason.TOO_SMALL)
    if not inspection.is_valid:
        raise UploadRejected(RejectionReason.OTHER_CONTENT)


def _announced_kind(file: File) -> ContentKind:
    kind = content_kind(file.content_type)
    if kind is None:  # the type was supported when the file was announced
        raise UploadRejected(RejectionReason.OTHER_CONTENT)
    return kind
