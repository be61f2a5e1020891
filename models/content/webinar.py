"""Who signed up for a webinar, which is an article."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.content.article import Article
from models.identity.user import User

if TYPE_CHECKING:
    from models.viewer import Viewer

REMINDERS = (timedelta(days=1), timedelta(hours=1))  # before the start


class WebinarSignUp(Model):
    """One person's place in a webinar, or on its waiting list, which is ordered by `id`.
    `reminder_at` is when they are reminded next, `notified_sequence` the last
    `Article.calendar_sequence` that they were notified of.
    """

    id = fields.BigIntField(primary_key=True)
    article: fields.ForeignKeyRelation[Article] = fields.ForeignKeyField(
        "models.Article", related_name=False
    )
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name=False, db_index=True
    )
    is_waiting = fields.BooleanField()
    signed_up_at: datetime = fields.DatetimeField()
    reminder_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    notified_sequence = fields.IntField(default=0, db_default=0)

    article_id: int
    user_id: int

    class Meta:
        table = "webinar_sign_up"
        unique_together = (("article", "user"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["WebinarSignUp"]:
        """Editors see who signed up, everyone else only themselves."""
        if viewer.is_editor:
            return QuerySet(cls)
        return cls.filter(user_id=viewer.user_id) if viewer.user_id else cls.filter(id=None)


def next_reminder(starts_at: datetime, at: datetime) -> datetime | None:
    """When to remind people next, None when there is no reminder left."""
    return next((starts_at - wait for wait in REMINDERS if starts_at - wait > at), None)
