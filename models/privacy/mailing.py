"""Emails that an operator sends to everybody who consented to their purpose, such as an issue of
the newsletter.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.identity.user import Staff
from models.locale import Locale
from models.privacy.consent import ConsentPurpose

if TYPE_CHECKING:
    from models.identity.user import User
    from models.viewer import Viewer

SUBJECT_LENGTH = 150


class Mailing(Model):
    """One mailing. Its emails are stored in batches, in the order of their recipients' keys:
    recipients up to `last_user_id` are done, and `finished_at` is when nobody was left, or when it
    was stopped. `canceled_count` is how many of its emails were deleted from the outbox then.
    """

    id = fields.BigIntField(primary_key=True)
    purpose = fields.CharEnumField(ConsentPurpose, max_length=11)
    sender: fields.ForeignKeyRelation["User"] = fields.ForeignKeyField(
        "models.User", related_name=False, on_delete=fields.RESTRICT
    )
    subject_fr = fields.CharField(max_length=SUBJECT_LENGTH)
    subject_en = fields.CharField(max_length=SUBJECT_LENGTH)
    body_fr = fields.TextField()
    body_en = fields.TextField()
    created_at: datetime = fields.DatetimeField()
    last_user_id = fields.BigIntField(default=0)
    recipient_count = fields.IntField(default=0)
    finished_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    stopped_at: datetime | None = fields.DatetimeField(null=True)
    canceled_count = fields.IntField(default=0, db_default=0)

    sender_id: int

    class Meta:
        table = "mailing"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Mailing"]:
        """Operators see all mailings."""
        return QuerySet(cls) if viewer.staff is Staff.OPERATOR else cls.filter(id=None)

    def subject(self, locale: Locale) -> str:
        """The subject in one language."""
        return self.subject_fr if locale is Locale.FR else self.subject_en

    def body(self, locale: Locale) -> str:
        """The text in one language: paragraphs with an empty line between them."""
        return self.body_fr if locale is Locale.FR else self.body_en
