"""Second factors: apps for one-time codes, and passkeys."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

if TYPE_CHECKING:
    from models.identity.user import User
    from models.viewer import Viewer

MAX_PER_USER = 10


class AuthenticatorKind(StrEnum):
    """The kind of an authenticator."""

    TOTP = "TOTP"
    PASSKEY = "PASSKEY"


class Authenticator(Model):
    """One authenticator of a user. It can be used once it is confirmed.

    For an app, secret is the encrypted seed, and last_step the last time step whose code was
    accepted. For a passkey, credential_id (Base64url), public_key (COSE, Base64url) and sign_count
    are as in WebAuthn.
    """

    id = fields.BigIntField(primary_key=True)
    user: fields.ForeignKeyRelation["User"] = fields.ForeignKeyField(
        "models.User", related_name="authenticators", db_index=True
    )
    kind = fields.CharEnumField(AuthenticatorKind, max_length=8)
    name = fields.CharField(max_length=60)
    created_at: datetime = fields.DatetimeField()
    confirmed_at = fields.DatetimeField(null=True)
    last_used_at = fields.DatetimeField(null=True)
    secret = fields.CharField(max_length=200, null=True)
    last_step = fields.BigIntField(default=0)
    credential_id = fields.CharField(max_length=1400, null=True, unique=True)
    public_key = fields.TextField(null=True)
    sign_count = fields.BigIntField(default=0)

    user_id: int

    class Meta:
        table = "authenticator"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Authenticator"]:
        """Everyone sees only their own authenticators, including staff."""
        return (
            cls.filter(user_id=viewer.user_id, confirmed_at__isnull=False)
            if viewer.user
            else cls.filter(id=None)
        )


class WebauthnChallenge(Model):
    """A WebAuthn challenge: stored as a hash, valid for one answer, for some minutes and for one
    purpose.
    """

    id = fields.BigIntField(primary_key=True)
    challenge_hash = fields.CharField(max_length=64, unique=True)
    registers: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", related_name="webauthn_challenges", null=True, db_index=True
    )
    expires_at: datetime = fields.DatetimeField(db_index=True)

    registers_id: int | None

    class Meta:
        table = "webauthn_challenge"
