"""Reactions to messages.

There are eight of them, so that every client can draw them, their counts stay few, and nobody has
to moderate emoji.
"""

from enum import StrEnum
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model

from models.identity.user import User

if TYPE_CHECKING:
    from models.support.message import Message


class ReactionKind(StrEnum):
    """What a person feels about a message."""

    THUMBS_UP = "THUMBS_UP"
    THUMBS_DOWN = "THUMBS_DOWN"
    HEART = "HEART"
    THANKS = "THANKS"
    HOORAY = "HOORAY"
    LAUGH = "LAUGH"
    SURPRISED = "SURPRISED"
    SAD = "SAD"

    @property
    def emoji(self) -> str:
        """The emoji that shows it."""
        return _EMOJI[self]


_EMOJI = {
    ReactionKind.THUMBS_UP: "👍",
    ReactionKind.THUMBS_DOWN: "👎",
    ReactionKind.HEART: "❤️",
    ReactionKind.THANKS: "🙏",
    ReactionKind.HOORAY: "🎉",
    ReactionKind.LAUGH: "😄",
    ReactionKind.SURPRISED: "😮",
    ReactionKind.SAD: "😢",
}


class Reaction(Model):
    """One person's reaction of one kind to one message."""

    id = fields.BigIntField(primary_key=True)
    message: fields.ForeignKeyRelation["Message"] = fields.ForeignKeyField(
        "models.Message", related_name=False
    )
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name=False
    )
    kind = fields.CharEnumField(ReactionKind, max_length=12, description="what a person feels")

    message_id: int
    user_id: int

    class Meta:
        table = "reaction"
        unique_together = (("message", "user", "kind"),)
