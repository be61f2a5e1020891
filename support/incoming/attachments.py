"""Stores the attachments of a received email, and says why one isn't accepted."""

from dataclasses import dataclass, field

from models.accounts.account import Account
from models.action import Action
from models.errors import CommonErrorCode, Refusal
from models.identity.user import User
from models.support.errors import SupportErrorCode
from models.support.file import MAX_PER_MESSAGE, FileStatus
from models.text import clean_line
from storage.file_service import FileService
from support.files import RejectionReason, UploadRejected, store_attachment
from support.incoming.parsing import Attachment

_NAME_LENGTH = 150
_TOO_MANY = "TOO_MANY"
_REASONS = {
    SupportErrorCode.FILE_UNSUPPORTED: "UNSUPPORTED",
    SupportErrorCode.FILE_TOO_LARGE: "TOO_LARGE",
    SupportErrorCode.FILE_EMPTY: "EMPTY",
}


@dataclass
class StoredAttachments:
    """The files of an email by the Content-ID that its HTML uses for them, and those that were
    refused.
    """

    file_ids: list[int] = field(default_factory=list)
    by_content_id: dict[str, int] = field(default_factory=dict)
    refused: list[dict[str, str]] = field(default_factory=list)


async def store_attachments(
    action: Action,
    files: FileService,
    sender: User,
    account: Account,
    email_id: int,
    attachments: list[Attachment],
) -> StoredAttachments:
    """Store the attachments of an email. A repeat returns the same files."""
    stored = StoredAttachments()
    # Pictures in signatures last, so that they leave room for what the sender attached.
    numbered = sorted(enumerate(attachments), key=lambda each: bool(each[1].content_id))
    for number, attachment in numbered:
        if len(stored.file_ids) >= MAX_PER_MESSAGE:
            stored.refused.append(_refusal(attachment, _TOO_MANY))
            continue
        key = f"email:{email_id}:{number}"
        await _store(action, files, sender, account, key, attachment, stored)
    return stored


async def _store(
    action: Action,
    files: FileService,
    sender: User,
    account: Account,
    key: str,
    attachment: Attachment,
    stored: StoredAttachments,
) -> None:
    try:
        file = await store_attachment(
            action,
            files,
            sender,
            account,
            name=attachment.name,
            content_type=attachment.content_type,
            content=attachment.content,
            key=key,
        )
    except Refusal as refusal:
        if refusal.code is CommonErrorCode.NOT_ACTIVE:  # deleted, because it waited for a day
            await _store(action, files, sender, account, f"{key}:again", attachment, stored)
        else:
            stored.refused.append(_refusal(attachment, _reason(refusal)))
    except UploadRejected as rejection:
        stored.refused.append(_refusal(attachment, _rejection(rejection)))
    else:
        if file.status is FileStatus.INFECTED:  # found since an earlier attempt
            stored.refused.append(_refusal(attachment, RejectionReason.INFECTED.value))
            return
        stored.file_ids.append(file.pk)
        if attachment.content_id:
            stored.by_content_id[attachment.content_id] = file.pk


def _reason(refusal: Refusal) -> str:
    codes = [each.code for each in refusal.refusals]
    return next((_REASONS[code] for code in codes if code in _REASONS), "UNSUPPORTED")  # type: ignore[index]


def _rejection(rejection: UploadRejected) -> str:
    is_infected = rejection.reason is RejectionReason.INFECTED
    return rejection.reason.value if is_infected else "UNSUPPORTED"


def _refusal(attachment: Attachment, reason: str) -> dict[str, str]:
    return {"name": clean_line(attachment.name)[:_NAME_LENGTH] or "-", "reason": reason}
