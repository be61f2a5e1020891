"""Files that customers and agents send: announced, uploaded to a signed URL, then attached to a
message or as evidence.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tortoise import fields
from tortoise.expressions import Q
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.action import Transaction
from models.errors import Refusal
from models.support.errors import SupportErrorCode
from models.support.team import usable_by
from models.translations import _

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.accounts.legal_name import LegalNameChange
    from models.content.article import Article
    from models.identity.user import User
    from models.support.macro import Macro
    from models.support.message import Message
    from models.support.scheduled_reply import ScheduledReply
    from models.viewer import Viewer

MAX_PER_MESSAGE = 10
# references to what a file can be attached to
ATTACHMENT_COLUMNS = (
    "message_id",
    "legal_name_change_id",
    "article_id",
    "scheduled_reply_id",
    "macro_id",
)


class FileStatus(StrEnum):
    """The state of a file."""

    ANNOUNCED = "ANNOUNCED"
    QUARANTINED = "QUARANTINED"
    AVAILABLE = "AVAILABLE"
    INFECTED = "INFECTED"


class File(Model):
    """The metadata of a file. Its content is in the store under `stored_key` from uploaded_at until
    infected_at.

    A copy of a file, in another message, shares the stored content: its `content_key` is the key of
    the first one. The content is deleted with the last of them.

    The file can be downloaded from cleared_at on, when it was found clean, or uploaded while no
    scanner was configured. missing_at is when the scanner last found no content, abandoned_at when
    the file was marked for deletion (storage/abandoned_files.py).
    """

    id = fields.BigIntField(primary_key=True)
    key = fields.CharField(max_length=64, unique=True)
    content_key = fields.CharField(max_length=64, null=True, db_index=True)
    uploader: fields.ForeignKeyRelation["User"] = fields.ForeignKeyField(
        "models.User", related_name=False
    )
    account: fields.ForeignKeyNullableRelation["Account"] = fields.ForeignKeyField(
        "models.Account", null=True, related_name=False
    )
    message: fields.ForeignKeyNullableRelation["Message"] = fields.ForeignKeyField(
        "models.Message", null=True, related_name="files", db_index=True
    )
    legal_name_change: fields.ForeignKeyNullableRelation["LegalNameChange"] = (
        fields.ForeignKeyField(
            "models.LegalNameChange", null=True, related_name="evidence", db_index=True
        )
    )
    article: fields.ForeignKeyNullableRelation["Article"] = fields.ForeignKeyField(
        "models.Article", null=True, related_name=False, db_index=True, on_delete=fields.SET_NULL
    )
    scheduled_reply: fields.ForeignKeyNullableRelation["ScheduledReply"] = fields.ForeignKeyField(
        "models.ScheduledReply",
        null=True,
        related_name=False,
        db_index=True,
        on_delete=fields.SET_NULL,
    )
    macro: fields.ForeignKeyNullableRelation["Macro"] = fields.ForeignKeyField(
        "models.Macro", null=True, related_name=False, db_index=True, on_delete=fields.SET_NULL
    )
    name = fields.CharField(max_length=200)
    content_type = fields.CharField(max_length=100)
    size = fields.BigIntField()
    sha256 = fields.CharField(max_length=64, null=True)
    created_at: datetime = fields.DatetimeField()
    uploaded_at: datetime | None = fields.DatetimeField(null=True)
    cleared_at: datetime | None = fields.DatetimeField(null=True)
    infected_at: datetime | None = fields.DatetimeField(null=True)
    missing_at: datetime | None = fields.DatetimeField(null=True)
    abandoned_at: datetime | None = fields.DatetimeField(null=True)

    uploader_id: int
    account_id: int | None
    message_id: int | None
    legal_name_change_id: int | None
    article_id: int | None
    scheduled_reply_id: int | None
    macro_id: int | None

    class Meta:
        table = "file"

    @property
    def stored_key(self) -> str:
        """The key of the content in the store."""
        return self.content_key or self.key

    @property
    def status(self) -> FileStatus:
        """The state of the file."""
        if self.infected_at:
            return FileStatus.INFECTED
        if self.cleared_at:
            return FileStatus.AVAILABLE
        return FileStatus.QUARANTINED if self.uploaded_at else FileStatus.ANNOUNCED

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["File"]:
        """The viewer's own files, and those attached to messages, changes or macros that they may
        see. A key with READ_SUPPORT sees those attached to messages.
        """
        files = cls.filter(abandoned_at=None)
        if viewer.is_agent:
            is_attached = Q(message_id__not_isnull=True) | Q(legal_name_change_id__not_isnull=True)
            is_attached |= Q(scheduled_reply_id__not_isnull=True)
            is_attached |= Q(macro_id__not_isnull=True) & usable_by(viewer, "macro__")
            return files.filter(is_attached | Q(uploader_id=viewer.user_id))
        if viewer.service_account:
            return files.filter(
                account_id=viewer.support_account_id or 0,
                message__ticket__account_id=viewer.support_account_id or 0,
            )
        if viewer.account is None:
            return cls.filter(id=None)
        is_visible = Q(uploader_id=viewer.user_id) | Q(
            message__ticket__account_id=viewer.account.pk
        )
        if viewer.is_manager:
            is_visible |= Q(legal_name_change_id__not_isnull=True)
        return files.filter(account_id=viewer.account.pk).filter(is_visible)

    @classmethod
    def unattached(cls) -> QuerySet["File"]:
        """The files that are attached to nothing."""
        return cls.filter(**dict.fromkeys(ATTACHMENT_COLUMNS))

    def sharing_content(self) -> QuerySet["File"]:
        """This file and its copies: all that have the same stored content."""
        key = self.stored_key
        return File.filter(Q(key=key) | Q(content_key=key))

    def copied_values(self) -> dict[str, Any]:
        """The values of a copy of this file, without what it is attached to."""
        names = (
            "name",
            "content_type",
            "size",
            "sha256",
            "uploaded_at",
            "cleared_at",
            "infected_at",
            "missing_at",
        )
        return {"content_key": self.stored_key, **{name: getattr(self, name) for name in names}}


async def lock_files(tx: Transaction, file_ids: tuple[int, ...]) -> None:
    """Lock files before the streams in which the message with them is announced."""
    if file_ids:
        await tx.lock_rows(File.filter(pk__in=file_ids))


async def attach_to_message(
    tx: Transaction, account_id: int, message: "Message", author: "User", file_ids: tuple[int, ...]
) -> None:
    """Attach files that the author uploaded to their message in a ticket of this account. Raises
    FILE_REFUSED.
    """
    if file_ids:
        await _attach(tx, author, account_id, file_ids, message_id=message.pk)


async def attach_to_scheduled_reply(
    tx: Transaction,
    account_id: int,
    reply: "ScheduledReply",
    author: "User",
    file_ids: tuple[int, ...],
) -> None:
    """Attach files that the author uploaded to their scheduled reply in a ticket of this account,
    instead of the previous ones. Raises FILE_REFUSED.
    """
    attached = File.filter(scheduled_reply_id=reply.pk)
    await tx.lock_rows(File.filter(Q(scheduled_reply_id=reply.pk) | Q(pk__in=[*file_ids, 0])))
    await attached.using_db(tx.db).update(scheduled_reply_id=None)
    await _attach(tx, author, account_id, file_ids, scheduled_reply_id=reply.pk)


async def attach_to_macro(
    tx: Transaction, macro: "Macro", editor: "User", file_ids: tuple[int, ...]
) -> bool:
    """Let a macro have these files: of those that it has already, and of others that the editor
    uploaded. Its other files are deleted as abandoned. Returns whether anything changed. Raises
    FILE_REFUSED.
    """
    rows = await tx.lock_rows(File.filter(Q(macro_id=macro.pk) | Q(pk__in=[*file_ids, 0])))
    attached_ids = {row.pk for row in rows if row.macro_id == macro.pk}
    if attached_ids == set(file_ids):
        return False
    if len(set(file_ids)) > MAX_PER_MESSAGE:
        raise _file_refusal()
    removed = File.filter(macro_id=macro.pk).exclude(pk__in=[*file_ids, 0])
    await removed.using_db(tx.db).update(macro_id=None)
    if added_ids := tuple(set(file_ids) - attached_ids):
        await _attach(tx, editor, None, added_ids, macro_id=macro.pk)
    return True


async def copy_to_message(
    tx: Transaction, files: Sequence[File], message: "Message", author: "User", account_id: int
) -> None:
    """Attach copies of these files, which the caller has locked, to a message in a ticket of this
    account. The copies share the stored content.
    """
    for file in files:
        await File.create(
            using_db=tx.db,
            key=f"copy-{uuid4().hex}",
            uploader_id=author.pk,
            account_id=account_id,
            message_id=message.pk,
            created_at=tx.action.at,
            **file.copied_values(),
        )


async def attach_evidence(
    tx: Transaction, change: "LegalNameChange", author: "User", file_ids: tuple[int, ...]
) -> None:
    """Attach files that the author uploaded to a legal name change, as evidence. Raises
    FILE_REFUSED, also for more than ten files.
    """
    if file_ids:
        await _attach(tx, author, change.account_id, file_ids, legal_name_change_id=change.pk)
        if (
            await File.filter(legal_name_change_id=change.pk).using_db(tx.db).count()
            > MAX_PER_MESSAGE
        ):
            raise _file_refusal()


async def attach_video(tx: Transaction, article: "Article", editor: "User", file_id: int) -> None:
    """Attach a video that the editor uploaded to an article, in place of the previous one, which is
    deleted as abandoned. A repeat changes nothing. Raises FILE_REFUSED.
    """
    await tx.lock_rows(File.filter(Q(article_id=article.pk) | Q(pk=file_id)))
    attached = File.filter(article_id=article.pk).using_db(tx.db)
    if await attached.filter(pk=file_id).exists():
        return
    await attached.update(article_id=None)
    files = File.unattached().filter(pk=file_id, uploader_id=editor.pk, abandoned_at=None)
    files = files.filter(uploaded_at__not_isnull=True, infected_at=None)
    videos = files.filter(content_type__startswith="video/").using_db(tx.db)
    if not await videos.update(article_id=article.pk):
        raise video_refusal()


def video_refusal() -> Refusal:
    """The refusal of a file that can't be the video of an article."""
    message = _("Choose a video that you have uploaded and that isn’t in use yet.")
    return Refusal(SupportErrorCode.FILE_REFUSED, "input", "videoFileId", message=message)


async def _attach(
    tx: Transaction,
    author: "User",
    account_id: int | None,
    file_ids: tuple[int, ...],
    **reference: int,
) -> None:
    """Attach files, unless one is already attached, or was uploaded for another account."""
    files = File.unattached().filter(pk__in=file_ids, uploader_id=author.pk, abandoned_at=None)
    files = files.filter(uploaded_at__not_isnull=True, infected_at=None)
    is_usable = Q(account_id__isnull=True)
    files = files.filter(is_usable | Q(account_id=account_id) if account_id else is_usable)
    attached_count = await files.using_db(tx.db).update(**reference)
    if attached_count != len(set(file_ids)) or attached_count > MAX_PER_MESSAGE:
        raise _file_refusal()


def _file_refusal() -> Refusal:
    return Refusal(SupportErrorCode.FILE_REFUSED, "input", "fileIds", limit=MAX_PER_MESSAGE)
