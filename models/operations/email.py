"""The outbox: emails are stored in the transaction that causes them, and delivered after it."""

from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.expressions import Q
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.action import Action, Transaction
from models.errors import CommonErrorCode, Refusal
from models.identity.user import Staff
from models.operations.audit_actions import OperationsAuditAction
from models.operations.errors import OperationsErrorCode
from models.privacy.consent import ConsentPurpose
from models.tracing import TRACEPARENT_LENGTH
from models.translations import _

if TYPE_CHECKING:
    from models.viewer import Viewer

ACCOUNT_ERASED = "account_erased"
DATA_REQUEST = "data_request"
QUERY_REPORT = "query_report"  # for analysts, also when it is delivered
STAFF_WELCOME = "staff_welcome"
TICKET_REPLIES = "ticket_replies"
TICKET_TRANSCRIPT = "ticket_transcript"
_CONFIDENTIAL = {
    "password_reset",
    "email_change",
    "email_change_requested",
    "invitation",
    "invoice_recipient",
    "sign_in_unlock",
    STAFF_WELCOME,
    ACCOUNT_ERASED,
}
_URGENT = {
    "already_registered",
    "email_change",
    "email_change_requested",
    "email_change_taken",
    "email_changed",
    "incident_reminder",
    "incident_reported",
    "invitation",
    "password_changed",
    "password_reset",
    "payment_confirmation_needed",
    "second_factor_changed",
    "second_factor_reset",
    "sessions_ended",
    "sign_in_unlock",
    STAFF_WELCOME,
    "ticket_escalated",
    "verification",
}

_BULK = {"mailing"}

_BATCH_SIZE = 500
_CONTENT = ("text", "html", "recipient")


class EmailPriority(IntEnum):
    """The order of delivery. URGENT emails, which someone waits for or which protect an account,
    are sent first, and BULK emails, which many people get at once, last.
    """

    URGENT = 0
    NORMAL = 10
    BULK = 20

    @classmethod
    def for_template(cls, template_name: str) -> "EmailPriority":
        """The priority of emails with this template."""
        if template_name in _BULK:
            return cls.BULK
        return cls.URGENT if template_name in _URGENT else cls.NORMAL


class EmailState(StrEnum):
    """The state of an email's delivery."""

    WAITING = "WAITING"
    SENT = "SENT"
    GIVEN_UP = "GIVEN_UP"

    @property
    def condition(self) -> Q:
        """Matches the emails in this state."""
        return Q(
            sent_at__isnull=self is not EmailState.SENT,
            next_attempt_at__isnull=self is not EmailState.WAITING,
        )


class Email(Model):
    """One email of the outbox. attempts counts the delivery attempts, next_attempt_at is None once
    it was sent or given up.

    calendar is the calendar file (RFC 5545) that is attached.

    user is the recipient, account the company that the email is about. Both are deleted together
    with their emails. ticket_id is the ticket that an answer to the email belongs to, mailing_id
    the mailing that the email belongs to.

    purpose is what its recipient must agree to when it is delivered, null for emails that need no
    consent. withdrawal_token is the token of the link to withdraw that consent.

    message_key is the part of the Message-ID before the @. thread has the Message-IDs of the emails
    that this one continues, oldest first and separated by spaces: our own ones as their key alone,
    because the domain is filled in when the message is made. bounced_at is when a mail server
    reported that it can't deliver the email, bounce_status its code (RFC 3463), such as 5.1.1.

    traceparent identifies the span in which the email was stored, when that was traced: see
    models/tracing.py.
    """

    id = fields.BigIntField(primary_key=True)
    template = fields.CharField(max_length=40)
    recipient = fields.CharField(max_length=254)
    subject = fields.CharField(max_length=200)
    text = fields.TextField()
    html = fields.TextField()
    calendar: str | None = fields.TextField(null=True)
    invoice: Any = fields.ForeignKeyField("models.Invoice", null=True, related_name=False)
    user: Any = fields.ForeignKeyField("models.User", null=True, related_name=False, db_index=True)
    account: Any = fields.ForeignKeyField(
        "models.Account", null=True, related_name=False, db_index=True
    )
    ticket_id = fields.BigIntField(null=True, db_index=True)
    mailing_id = fields.BigIntField(null=True, db_index=True)
    purpose: Any = fields.CharEnumField(ConsentPurpose, max_length=11, null=True)
    withdrawal_token = fields.CharField(max_length=400, null=True)
    message_key = fields.CharField(max_length=64, null=True, db_index=True)
    thread: str | None = fields.TextField(null=True)
    created_at: datetime = fields.DatetimeField()
    next_attempt_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    attempts = fields.IntField(default=0)
    priority = fields.IntEnumField(
        EmailPriority, default=EmailPriority.NORMAL, db_default=EmailPriority.NORMAL.value
    )
    sent_at = fields.DatetimeField(null=True)
    bounced_at: datetime | None = fields.DatetimeField(null=True)
    bounce_status = fields.CharField(max_length=11, null=True)
    traceparent = fields.CharField(max_length=TRACEPARENT_LENGTH, null=True)

    invoice_id: int | None
    user_id: int | None
    account_id: int | None

    class Meta:
        table = "email"
        indexes = (
            ("sent_at", "id"),  # for the operators' list of emails that were never sent
            ("priority", "next_attempt_at", "id"),  # for what is sent next
        )

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Email"]:
        """Operators see the delivery of every email. Nobody sees its content, which is for its
        recipient.
        """
        return QuerySet(cls) if viewer.staff is Staff.OPERATOR else cls.filter(id=None)

    @property
    def state(self) -> EmailState:
        """The delivery state of the email."""
        if self.sent_at:
            return EmailState.SENT
        return EmailState.WAITING if self.next_attempt_at else EmailState.GIVEN_UP

    @property
    def masked_recipient(self) -> str:
        """The address with all but its first character and its host masked, such as
        m***@example.fr.
        """
        name, _, host = self.recipient.rpartition("@")
        return f"{name[:1]}***@{host}"

    @classmethod
    async def retry(cls, action: Action, key: int | None) -> "Email":
        """Retry an email that was given up, with as many attempts as a new one. A repeat changes
        nothing.

        Raises NOT_FOUND, TRANSITION_ILLEGAL for one that was sent, EMAIL_CONTENT_DELETED for one
        that contained a token.
        """
        async with action.transaction() as tx:
            email = next(iter(await tx.lock_rows(cls.filter(pk=key or 0))), None)
            if email is None:
                raise Refusal(CommonErrorCode.NOT_FOUND, "input", "emailId")
            if email.state is EmailState.SENT:
                message = _("This email has already been sent and can’t be sent again.")
                raise Refusal(
                    CommonErrorCode.TRANSITION_ILLEGAL, "input", "emailId", message=message
                )
            if email.state is EmailState.GIVEN_UP:
                if not email.text:
                    raise Refusal(OperationsErrorCode.EMAIL_CONTENT_DELETED, "input", "emailId")
                tx.audit(OperationsAuditAction.EMAIL_RETRY, email, None, attempts=email.attempts)
                email.attempts, email.next_attempt_at = 0, action.at
                await email.save(using_db=tx.db, update_fields=["attempts", "next_attempt_at"])
        return email

    @classmethod
    async def delete_waiting_replies(cls, tx: Transaction, user_id: int, account_id: int) -> None:
        """Delete the emails about an account's tickets that are waiting for a user who leaves the
        account.
        """
        waiting = cls.filter(user_id=user_id, account_id=account_id, sent_at=None)
        for template in (TICKET_REPLIES, TICKET_TRANSCRIPT):
            await waiting.filter(template__startswith=f"{template}.").using_db(tx.db).delete()

    @classmethod
    async def delete_unsent_of_mailing(cls, tx: Transaction, mailing_id: int) -> int:
        """Delete the emails of a mailing that weren't sent. Returns their number."""
        return await cls.filter(mailing_id=mailing_id, sent_at=None).using_db(tx.db).delete()

    @classmethod
    async def discard_waiting(cls, action: Action) -> int:
        """Give up all emails that are waiting. Returns their number."""
        discarded = 0
        while True:
            async with action.transaction() as tx:
                waiting = cls.filter(EmailState.WAITING.condition).order_by("id")
                if not (emails := await tx.lock_rows(waiting.limit(_BATCH_SIZE))):
                    return discarded
                for email in emails:
                    email.next_attempt_at = None
                    email._delete_confidential_content()
                    columns = ["next_attempt_at", *_CONTENT]
                    await email.save(using_db=tx.db, update_fields=columns)
                tx.audit(OperationsAuditAction.EMAIL_DISCARD, emails=len(emails))
            discarded += len(emails)

    async def mark_sent(self, at: datetime) -> None:
        """Record the delivery, and delete the content of an email that contained a token."""
        self.sent_at, self.next_attempt_at, self.attempts = at, None, self.attempts + 1
        self._delete_confidential_content()
        await self.save(update_fields=["sent_at", "next_attempt_at", "attempts", *_CONTENT])

    async def mark_failed(self, at: datetime, permanent: bool) -> None:
        """Record a failed attempt. The next one is due after 1, 2, 4, ... minutes, at most 4 hours,
        for about two days; after a permanent failure there is none.
        """
        self.attempts += 1
        wait = timedelta(minutes=min(2 ** (self.attempts - 1), 240))
        self.next_attempt_at = None if permanent or self.attempts >= 20 else at + wait
        if self.next_attempt_at is None:
            self._delete_confidential_content()
        await self.save(update_fields=["attempts", "next_attempt_at", *_CONTENT])

    def _delete_confidential_content(self) -> None:
        name = self.template.partition(".")[0]
        # Without a user, its recipient was erased, and the row must not name them either.
        is_last_one = name == ACCOUNT_ERASED or (name == DATA_REQUEST and self.user_id is None)
        if name in _CONFIDENTIAL or is_last_one:
            self.text = self.html = ""
        if is_last_one:
            self.recipient = ""
