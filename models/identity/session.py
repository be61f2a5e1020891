"""Sessions, with a short-lived access token and rotating refresh tokens, both stored only as
hashes.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.identity.user import User
    from models.viewer import Viewer


class Session(Model):
    """A sign-in on one device. It ends by signing out, when it expires, or when a refresh token is
    used twice (except by a repeated request).

    last_used_at is set when the session begins and when its tokens are refreshed, which clients do
    every 15 minutes, so that requests need no write. Until step_up_expires_at, the user counts as
    having just confirmed their identity. switched_to is the session that replaced this one when the
    user switched to another company.
    """

    id = fields.BigIntField(primary_key=True)
    user: fields.ForeignKeyRelation["User"] = fields.ForeignKeyField(
        "models.User", related_name="sessions", db_index=True
    )
    account: fields.ForeignKeyNullableRelation["Account"] = fields.ForeignKeyField(
        "models.Account", null=True, related_name="sessions"
    )
    access_hash = fields.CharField(max_length=64, unique=True)
    access_expires_at: datetime = fields.DatetimeField()
    expires_at: datetime = fields.DatetimeField()
    second_factor = fields.BooleanField(default=False)
    created_at: datetime = fields.DatetimeField()
    ended_at = fields.DatetimeField(null=True)
    device = fields.CharField(max_length=60, null=True)
    last_used_at = fields.DatetimeField(null=True)
    step_up_expires_at = fields.DatetimeField(null=True)
    switched_to: fields.ForeignKeyNullableRelation["Session"] = fields.ForeignKeyField(
        "models.Session", null=True, related_name=False
    )

    user_id: int
    account_id: int | None
    switched_to_id: int | None

    class Meta:
        table = "session"
        indexes = (("switched_to_id",),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Session"]:
        """Everyone sees only their own sessions, including staff."""
        return cls.filter(user_id=viewer.user_id) if viewer.user else cls.filter(id=None)

    def is_active(self, at: datetime) -> bool:
        """Whether the session has neither ended nor expired at this time."""
        return self.ended_at is None and at < self.expires_at


class RefreshToken(Model):
    """One refresh token of a session. A second use ends the session, because the token has been
    copied, except for a repeat of the request a moment later.

    successor holds the tokens that it was exchanged for, encrypted with a key derived from the
    token itself (auth/token_successors.py), until the next exchange of the session.
    """

    id = fields.BigIntField(primary_key=True)
    session: fields.ForeignKeyRelation[Session] = fields.ForeignKeyField(
        "models.Session", related_name="refresh_tokens", db_index=True
    )
    token_hash = fields.CharField(max_length=64, unique=True)
    used_at = fields.DatetimeField(null=True)
    successor = fields.CharField(max_length=250, null=True)

    session_id: int

    class Meta:
        table = "refresh_token"
