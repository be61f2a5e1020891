"""Sending files: announced with a name, a type and a size, then uploaded by a signed link, once, and exactly that."""

import re
from collections.abc import AsyncIterable, AsyncIterator
from enum import StrEnum
from typing import Any

from auth import throttle
from auth.tokens import Purpose
from models.action import Action
from models.errors import ErrorCode, Refusal
from models.support.audit_actions import SupportAuditAction
from models.support.file import MAX_BYTES, File, FileStatus
from resolvers.context import Info, Services
from resolvers.support.inputs import FileAnnounceInput
from resolvers.text import within
from storage.content import Inspection, Kind, kind
from storage.file_service import FileService, examine
from storage.store import random_key

_NAME_LENGTH = 200
_FOLDERS = re.compile(r"[/\\]")


class Fault(StrEnum):
    """Why an upload was not taken."""

    TOO_LARGE = "TOO_LARGE"
    TOO_SMALL = "TOO_SMALL"
    OTHER_CONTENT = "OTHER_CONTENT"
    UPLOADED_BEFORE = "UPLOADED_BEFORE"
    INFECTED = "INFECTED"


class UploadRefused(Exception):
    """What arrived is not what was announced, or something else arrived before it."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


async def announce(info: Info, input: FileAnnounceInput) -> dict[str, Any]:
    """A link to upload a file to. Raises BLANK and TOO_LONG for the name, FILE_UNSUPPORTED for the type and the size;
    Throttled, so that nobody alone fills the disk."""
    viewer, action = info.context.viewer, info.context.action()
    expected = kind(input.content_type)
    if expected is None:
        raise Refusal(ErrorCode.FILE_UNSUPPORTED, "input", "contentType")
    if not 1 <= input.size <= MAX_BYTES:
        raise Refusal(ErrorCode.FILE_UNSUPPORTED, "input", "size")
    name = _name(input.name, expected)
    whose = ("company", viewer.account.pk) if viewer.account else ("person", viewer.user_id)
    await info.context.services.auth.throttle.attempt(throttle.key(throttle.FILE, *whose))
    async with action.transaction() as tx:
        file = await File.create(
            using_db=tx.db, key=random_key(), uploader_id=viewer.user_id, account=viewer.account, name=name,
            content_type=_media_type(input.content_type), size=input.size, created_at=action.at,
        )  # fmt: skip
        tx.audit(SupportAuditAction.FILE_ANNOUNCE, file, size=file.size)
    token = info.context.services.auth.signer.sign(Purpose.UPLOAD, action.at, file=file.pk)
    return {"file": file, "upload_url": f"{info.context.services.base_url}/uploads/{token}"}


def _name(name: str, expected: Kind) -> str:
    """The last part of a path, without what makes a file hidden, spoofs its extension, or is a card's number."""
    base = within(_FOLDERS.split(name)[-1], "name", _NAME_LENGTH)
    return expected.named(within(base.lstrip(". "), "name", _NAME_LENGTH), _NAME_LENGTH)


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def file_status(root: File) -> FileStatus:
    """How far the file has come."""
    return root.status


def file_url(root: File, info: Info) -> str | None:
    """A link to the file, good for five minutes; None unless it is AVAILABLE."""
    if root.status is not FileStatus.AVAILABLE:
        return None
    services = info.context.services
    return f"{services.base_url}/downloads/{services.auth.signer.sign(Purpose.DOWNLOAD, services.clock.now(), file=root.pk)}"


async def receive(services: Services, file_service: FileService, file: File, chunks: AsyncIterable[bytes]) -> bool:
    """Store an announced file, and look into it. True when it was new, False when the same had arrived before.

    Raises UploadRefused. Each attempt writes under a key of its own, and the row takes the first one that is whole. So two
    at once don't mix, and one that dies leaves nothing that a row leads to. Where the scanner is away the file is kept in
    quarantine: `cleared_at` stays None until the timetable's next look.
    """
    key, at = random_key(), services.clock.now()
    stored = await file_service.store.put(key, _expected(file, chunks))
    arrived = {"key": key, "sha256": stored.sha256, "uploaded_at": at, "cleared_at": None if file_service.scanner else at}
    new = await File.filter(pk=file.pk, uploaded_at=None).update(**arrived) == 1
    if not new:
        await file_service.store.delete(key)
    await file.refresh_from_db()
    if file.sha256 != stored.sha256:
        raise UploadRefused(Fault.UPLOADED_BEFORE)
    if file.status is FileStatus.QUARANTINED and new:
        await examine(Action(None, at, services.hub), file_service, file)
        await file.refresh_from_db()
    if file.status is FileStatus.INFECTED:
        raise UploadRefused(Fault.INFECTED)
    return new


async def _expected(file: File, chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The chunks, as long as they are what was announced."""
    inspection, size = Inspection(_kind_of(file)), 0
    async for chunk in chunks:
        size += len(chunk)
        if size > file.size:
            raise UploadRefused(Fault.TOO_LARGE)
        inspection.look(chunk)
        yield chunk
    if size < file.size:
        raise UploadRefused(Fault.TOO_SMALL)
    if not inspection.passed:
        raise UploadRefused(Fault.OTHER_CONTENT)


def _kind_of(file: File) -> Kind:
    found = kind(file.content_type)
    if found is None:  # announced before its type was struck off the list
        raise UploadRefused(Fault.OTHER_CONTENT)
    return found
