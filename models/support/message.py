"""Messages between customers and staff, in tickets."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.expressions import Q
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.action import Transaction
from models.database.writing import find_one
from models.errors import CommonErrorCode, Refusal
from models.identity.user import Staff, User
from models.support.errors import SupportErrorCode
from models.support.file import File

if TYPE_CHECKING:
    from models.support.ticket import Ticket
    from models.viewer import Viewer


# How the `client_message_id` of a message begins that an automation posted. People may choose such
# a key for messages that aren't final.
AUTOMATION_KEY = "automation:"
AUTOMATIC = Q(is_final=True, client_message_id__startswith=AUTOMATION_KEY)


class Message(Model):
    """A message in a ticket. `sequence` is its number in the ticket's stream, `origin` the ticket
    that it was sent to.

    Authors may change what they posted for a while, unless the message `is_final`, because it was
    received by email or because a request or a decision refers to it. The body of a deleted message
    is empty, and earlier texts are versions.
    """

    id = fields.BigIntField(primary_key=True)
    ticket: fields.ForeignKeyRelation["Ticket"] = fields.ForeignKeyField(
        "models.Ticket", related_name="messages"
    )
    origin: fields.ForeignKeyRelation["Ticket"] = fields.ForeignKeyField(
        "models.Ticket", related_name=False
    )
    author: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name=False
    )
    sequence = fields.BigIntField()
    body = fields.TextField()
    from_staff = fields.BooleanField()
    client_message_id = fields.CharField(max_length=64)
    at: datetime = fields.DatetimeField()
    is_final = fields.BooleanField(default=False, db_default=False)
    edited_at: datetime | None = fields.DatetimeField(null=True)
    deleted_at: datetime | None = fields.DatetimeField(null=True)

    ticket_id: int
    origin_id: int
    author_id: int

    class Meta:
        table = "message"
        unique_together = (("origin", "author", "client_message_id"), ("ticket", "sequence"))

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Message"]:
        """Agents see all messages, members and keys with READ_SUPPORT those in their account's
        tickets.
        """
        if viewer.is_agent:
            return QuerySet(cls)
        return (
            cls.filter(ticket__account_id=viewer.support_account_id)
            if viewer.support_account_id is not None
            else cls.filter(id=None)
        )

    @classmethod
    async def find_sent(
        cls,
        ticket_id: int,
        author: User,
        text: str,
        client_message_id: str,
        file_ids: tuple[int, ...] = (),
        db: BaseDBAsyncClient | None = None,
    ) -> "Message | None":
        """The message that this author already sent to this ticket with this id, or None. Raises
        IDEMPOTENCY_MISMATCH when it has another text or other files.
        """
        message = await find_one(
            cls, db, origin_id=ticket_id, author_id=author.pk, client_message_id=client_message_id
        )
        if message is None:
            return None
        files = await File.filter(message_id=message.pk).using_db(db)
        has_same_files = message.deleted_at or {file.pk for file in files} == set(file_ids)
        if await message._posted_text(db) != text or not has_same_files:
            raise Refusal(CommonErrorCode.IDEMPOTENCY_MISMATCH, "input", "clientMessageId")
        return message

    async def _posted_text(self, db: BaseDBAsyncClient | None) -> str:
        """The text of the message as it was first posted."""
        if self.edited_at is None and self.deleted_at is None:
            return self.body
        versions = MessageVersion.filter(message_id=self.pk).order_by("id")
        version = await (versions.using_db(db) if db else versions).first()
        return version.body if version else self.body


class AnsweredMeanwhile(Refusal):
    """Another agent has posted a message that the author of an answer hasn't seen."""

    def __init__(self, newer_message: Message, agent: str) -> None:
        super().__init__(SupportErrorCode.ANSWERED_MEANWHILE, "input", "seenSequence", agent=agent)
        self.newer_message = newer_message


async def require_seen(tx: Transaction, ticket_id: int, author: User, sequence: int) -> None:
    """Raise AnsweredMeanwhile when, after the message with this sequence, another agent has
    answered a ticket. The caller has locked the ticket.
    """
    answers = Message.filter(
        ~AUTOMATIC, ticket_id=ticket_id, from_staff=True, sequence__gt=sequence, deleted_at=None
    )
    answers = answers.exclude(author_id=author.pk).using_db(tx.db)
    if newer := await answers.order_by("sequence").first():
        agent = await User.get(pk=newer.author_id, using_db=tx.db)
        raise AnsweredMeanwhile(newer, agent.name)


def unused_key(kind: str) -> str:
    """A `client_message_id` that no client can have used, for a message that no client sends."""
    return f"{kind}:{uuid4().hex}"


class MessageVersion(Model):
    """A text that a message had until it was edited or deleted at `replaced_at`."""

    id = fields.BigIntField(primary_key=True)
    message: fields.ForeignKeyRelation[Message] = fields.ForeignKeyField(
        "models.Message", related_name=False, db_index=True
    )
    body = fields.TextField()
    replaced_at: datetime = fields.DatetimeField()

    message_id: int

    class Meta:
        table = "message_version"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["MessageVersion"]:
        """Only supervisors read earlier texts."""
        return QuerySet(cls) if viewer.staff is Staff.SUPERVISOR else cls.filter(id=None)
