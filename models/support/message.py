"""Messages between customers and staff, in tickets."""

from datetime import datetime
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.database.writing import find_one
from models.errors import CommonErrorCode, Refusal
from models.identity.user import User
from models.support.file import File

if TYPE_CHECKING:
    from models.support.ticket import Ticket
    from models.viewer import Viewer


class Message(Model):
    """A message in a ticket. `sequence` is its number in the ticket's stream, `origin` the ticket
    that it was sent to.
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

    ticket_id: int
    origin_id: int
    author_id: int

    class Meta:
        table = "message"
        unique_together = (("origin", "author", "client_message_id"), ("ticket", "sequence"))

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Message"]:
        """Agents see all messages, members those in their account's tickets."""
        if viewer.is_agent:
            return QuerySet(cls)
        return (
            cls.filter(ticket__account_id=viewer.account.pk)
            if viewer.account
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
        if message.body != text or {file.pk for file in files} != set(file_ids):
            raise Refusal(CommonErrorCode.IDEMPOTENCY_MISMATCH, "input", "clientMessageId")
        return message
