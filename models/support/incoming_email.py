"""Emails that support received, each with what became of it.

An email is stored as it arrived before its sender is told that it was accepted. A job then decides
about it (support/incoming/processing.py): it becomes a message in a ticket, waits for an agent, or
is ignored for a reason that is stored. None disappears.
"""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.action import Action
from models.errors import CommonErrorCode, Refusal
from models.identity.user import Staff
from models.support.audit_actions import SupportAuditAction

if TYPE_CHECKING:
    from models.viewer import Viewer

SENDER_LENGTH = 254
NAME_LENGTH = 200
MESSAGE_ID_LENGTH = 255


class IncomingEmailSource(StrEnum):
    """How an email arrived."""

    SMTP = "SMTP"
    LMTP = "LMTP"
    IMAP = "IMAP"


class IncomingEmailStatus(StrEnum):
    """The status of an email."""

    RECEIVED = "RECEIVED"
    POSTED = "POSTED"
    UNMATCHED = "UNMATCHED"
    IGNORED = "IGNORED"
    FAILED = "FAILED"


class IncomingEmailReason(StrEnum):
    """Why an email has its status."""

    # POSTED
    REPLY = "REPLY"
    FOLLOW_UP = "FOLLOW_UP"
    NEW_TICKET = "NEW_TICKET"
    LINKED = "LINKED"
    # UNMATCHED
    UNKNOWN_SENDER = "UNKNOWN_SENDER"
    SEVERAL_COMPANIES = "SEVERAL_COMPANIES"
    STAFF_SENDER = "STAFF_SENDER"
    NO_SENDER = "NO_SENDER"
    NOT_AUTHENTICATED = "NOT_AUTHENTICATED"
    TOO_LARGE = "TOO_LARGE"
    # IGNORED
    AUTOMATIC_REPLY = "AUTOMATIC_REPLY"
    BULK = "BULK"
    BOUNCE = "BOUNCE"
    OWN_EMAIL = "OWN_EMAIL"
    DUPLICATE = "DUPLICATE"
    EMPTY = "EMPTY"
    DISMISSED = "DISMISSED"
    # FAILED
    ERROR = "ERROR"


class IncomingEmail(Model):
    """An email as it was received, and what became of it.

    raw_key is its content in the file store, null once that was deleted. source_key identifies an
    email of a mailbox, so that it is stored once. fingerprint is the same for copies of one email.
    is_partial is whether only its headers were stored because it is too large. authentication has
    the results of SPF, DKIM and DMARC. text is the complete text, including quotations, and html
    the same as sanitized HTML; both are empty until the email was read. refused_files has the name
    of each attachment that wasn't accepted and the reason. user is the customer who sent it,
    posted_message the message that it became. linked_account_id and linked_ticket_id are where an
    agent wants it to be posted, in the name of user; without a ticket it opens one. next_attempt_at
    is when a job reads the email, null once that is done. answered_at is when the sender got an
    automatic answer.
    """

    id = fields.BigIntField(primary_key=True)
    source = fields.CharEnumField(IncomingEmailSource, max_length=4, description="how it arrived")
    source_key = fields.CharField(max_length=64, null=True, unique=True)
    raw_key: Any = fields.CharField(max_length=64, null=True)
    size = fields.BigIntField()
    is_partial = fields.BooleanField(default=False)
    fingerprint = fields.CharField(max_length=64, db_index=True)
    message_id = fields.CharField(max_length=MESSAGE_ID_LENGTH, null=True, db_index=True)
    sender = fields.CharField(max_length=SENDER_LENGTH, default="", db_index=True)
    sender_name = fields.CharField(max_length=NAME_LENGTH, default="")
    subject = fields.CharField(max_length=200, default="")
    status = fields.CharEnumField(
        IncomingEmailStatus,
        max_length=10,
        default=IncomingEmailStatus.RECEIVED,
        description="what has become of it",
    )
    reason: Any = fields.CharEnumField(
        IncomingEmailReason, max_length=20, null=True, description="why"
    )
    authentication: dict[str, str] = fields.JSONField(default=dict)
    text = fields.TextField(default="")
    html = fields.TextField(default="")
    refused_files: list[dict[str, str]] = fields.JSONField(default=list)
    user: Any = fields.ForeignKeyField("models.User", null=True, related_name=False, db_index=True)
    posted_message: Any = fields.ForeignKeyField(
        "models.Message", null=True, related_name=False, db_index=True
    )
    received_at: datetime = fields.DatetimeField(db_index=True)
    processed_at: datetime | None = fields.DatetimeField(null=True)
    answered_at: datetime | None = fields.DatetimeField(null=True)
    next_attempt_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    attempts = fields.IntField(default=0)

    linked_account_id: int | None = fields.BigIntField(null=True)
    linked_ticket_id: int | None = fields.BigIntField(null=True)

    user_id: int | None
    posted_message_id: int | None

    class Meta:
        table = "incoming_email"
        indexes = (("status", "id"), ("reason", "id"))

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["IncomingEmail"]:
        """Agents and operators see what became of every email. Only agents can read its content:
        see resolvers/support/incoming_emails.py.
        """
        if viewer.is_agent or viewer.staff is Staff.OPERATOR:
            return QuerySet(cls)
        return cls.filter(id=None)

    async def dismiss(self, action: Action) -> "IncomingEmail":
        """Ignore an email that belongs to no ticket. A repeat changes nothing. Raises
        TRANSITION_ILLEGAL for one that doesn't wait for an agent.
        """
        async with action.transaction() as tx:
            row = await tx.lock(IncomingEmail, self.pk)
            if row.reason is IncomingEmailReason.DISMISSED:
                return row
            row.require_status(IncomingEmailStatus.UNMATCHED)
            row.status, row.reason = IncomingEmailStatus.IGNORED, IncomingEmailReason.DISMISSED
            row.processed_at = action.at
            await row.save(using_db=tx.db, update_fields=["status", "reason", "processed_at"])
            tx.audit(SupportAuditAction.INCOMING_EMAIL_DISMISS, row, None)
        return row

    async def retry(self, action: Action) -> "IncomingEmail":
        """Read an email again that couldn't be read, with as many attempts as a new one. A repeat
        changes nothing. Raises TRANSITION_ILLEGAL for one that didn't fail.
        """
        async with action.transaction() as tx:
            row = await tx.lock(IncomingEmail, self.pk)
            if row.status is IncomingEmailStatus.RECEIVED:
                return row
            row.require_status(IncomingEmailStatus.FAILED)
            row.receive_again(action)
            await row.save(using_db=tx.db)
            tx.audit(SupportAuditAction.INCOMING_EMAIL_RETRY, row, None)
        return row

    def receive_again(self, action: Action) -> None:
        """Let the job decide about the email once more."""
        self.status, self.reason = IncomingEmailStatus.RECEIVED, None
        self.attempts, self.next_attempt_at = 0, action.at

    def require_status(self, status: IncomingEmailStatus) -> None:
        """Raise TRANSITION_ILLEGAL unless the email has this status."""
        if self.status is not status:
            raise Refusal(CommonErrorCode.TRANSITION_ILLEGAL, "input", "incomingEmailId")
