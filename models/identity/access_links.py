"""What emails' links may change of how a person signs in. Their tokens are stored only as hashes."""

from datetime import datetime
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model

if TYPE_CHECKING:
    from models.identity.user import User


class PasswordReset(Model):
    """One email that lets its reader set a new password. Rows go once one of a person's is used, and when they expire."""

    id = fields.BigIntField(primary_key=True)
    user: fields.ForeignKeyRelation["User"] = fields.ForeignKeyField(
        "models.User", related_name="password_resets", db_index=True
    )
    token_hash = fields.CharField(max_length=64, unique=True)
    expires_at: datetime = fields.DatetimeField()

    user_id: int

    class Meta:
        table = "password_reset"


class EmailChange(Model):
    """A person's wish for another address, of which there is one at a time. It goes once fulfilled, replaced or called off.

    old_token_hash is null when the old address need not confirm. session_id is the sign-in that asked: it may stay.
    """

    id = fields.BigIntField(primary_key=True)
    user: fields.OneToOneRelation["User"] = fields.OneToOneField("models.User", related_name="email_change")
    email = fields.CharField(max_length=254)
    new_token_hash = fields.CharField(max_length=64, unique=True)
    old_token_hash = fields.CharField(max_length=64, unique=True, null=True)
    new_confirmed_at = fields.DatetimeField(null=True)
    old_confirmed_at = fields.DatetimeField(null=True)
    session_id = fields.BigIntField()
    expires_at: datetime = fields.DatetimeField()

    user_id: int

    class Meta:
        table = "email_change"

    @property
    def agreed(self) -> bool:
        """Whether everybody who must has confirmed."""
        return self.new_confirmed_at is not None and (self.old_token_hash is None or self.old_confirmed_at is not None)


class SignInUnlock(Model):
    """One email whose reader need not wait for those who guess. Rows go once the person has signed in by one, and expire."""

    id = fields.BigIntField(primary_key=True)
    user: fields.ForeignKeyRelation["User"] = fields.ForeignKeyField(
        "models.User", related_name="sign_in_unlocks", db_index=True
    )
    token_hash = fields.CharField(max_length=64, unique=True)
    expires_at: datetime = fields.DatetimeField()

    user_id: int

    class Meta:
        table = "sign_in_unlock"


async def void_links(user: "User", db: BaseDBAsyncClient) -> None:
    """Call off whatever the emails written to a person so far could still change of their password and address."""
    await PasswordReset.filter(user_id=user.pk).using_db(db).delete()
    await EmailChange.filter(user_id=user.pk).using_db(db).delete()
    await SignInUnlock.filter(user_id=user.pk).using_db(db).delete()
