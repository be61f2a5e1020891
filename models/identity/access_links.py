"""Links in emails that change how a user signs in. Their tokens are stored only as hashes."""

from datetime import datetime
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model

if TYPE_CHECKING:
    from models.identity.user import User


class PasswordReset(Model):
    """A link to set a new password. A user's rows are deleted when one of them is used, and when
    they expire.
    """

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
    """A user's request for another email address, of which there is one at a time. It is deleted
    when completed, replaced or canceled.

    old_token_hash is null when the old address need not confirm. session_id is the session that
    made the request, which isn't ended.
    """

    id = fields.BigIntField(primary_key=True)
    user: fields.OneToOneRelation["User"] = fields.OneToOneField(
        "models.User", related_name="email_change"
    )
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
    def fully_confirmed(self) -> bool:
        """Whether every required address has confirmed."""
        return self.new_confirmed_at is not None and (
            self.old_token_hash is None or self.old_confirmed_at is not None
        )


class SignInUnlock(Model):
    """A link that unlocks sign-in after failed attempts by others. It is deleted when the user
    signs in with it, or expires.
    """

    id = fields.BigIntField(primary_key=True)
    user: fields.ForeignKeyRelation["User"] = fields.ForeignKeyField(
        "models.User", related_name="sign_in_unlocks", db_index=True
    )
    token_hash = fields.CharField(max_length=64, unique=True)
    expires_at: datetime = fields.DatetimeField()

    user_id: int

    class Meta:
        table = "sign_in_unlock"


async def invalidate_links(user: "User", db: BaseDBAsyncClient) -> None:
    """Invalidate all links sent to a user that could still change their password or email
    address.
    """
    await PasswordReset.filter(user_id=user.pk).using_db(db).delete()
    await EmailChange.filter(user_id=user.pk).using_db(db).delete()
    await SignInUnlock.filter(user_id=user.pk).using_db(db).delete()
