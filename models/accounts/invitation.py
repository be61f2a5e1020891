"""Invitations by email to join an account."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.accounts.account import Role
from models.action import Transaction
from models.locale import Locale

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.identity.user import User
    from models.viewer import Viewer

LIFETIME = timedelta(days=7)


class Invitation(Model):
    """An invitation of an email address. The most recent email contains its token, the row only the
    token's SHA-256.
    """

    id = fields.BigIntField(primary_key=True)
    account: fields.ForeignKeyRelation["Account"] = fields.ForeignKeyField(
        "models.Account", related_name="invitations", db_index=True
    )
    email = fields.CharField(max_length=254)
    role = fields.CharEnumField(Role, max_length=8)
    locale = fields.CharEnumField(Locale, max_length=2)
    inviter: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    token_hash = fields.CharField(max_length=64, unique=True)
    created_at: datetime = fields.DatetimeField()
    sent_at: datetime = fields.DatetimeField()
    expires_at: datetime = fields.DatetimeField()
    accepted_by: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    accepted_at: datetime | None = fields.DatetimeField(null=True)
    revoked_at: datetime | None = fields.DatetimeField(null=True)

    account_id: int
    inviter_id: int | None
    accepted_by_id: int | None

    class Meta:
        table = "invitation"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Invitation"]:
        """Owners and administrators see the invitations of their account."""
        return (
            cls.filter(account_id=viewer.account.pk)
            if viewer.account and viewer.is_manager
            else cls.filter(id=None)
        )

    @classmethod
    def pending(cls, invitations: QuerySet["Invitation"]) -> QuerySet["Invitation"]:
        """Filter invitations that were neither accepted nor revoked. Their tokens may have
        expired.
        """
        return invitations.filter(accepted_at=None, revoked_at=None)

    @property
    def is_pending(self) -> bool:
        """Whether the invitation was neither accepted nor revoked."""
        return self.accepted_at is None and self.revoked_at is None

    async def record_sent(self, tx: Transaction, inviter_id: int, token_hash: str) -> None:
        """Record that an email with a new token is sent now. The tokens of earlier emails stop
        working.
        """
        self.inviter_id, self.token_hash = inviter_id, token_hash
        self.sent_at, self.expires_at = tx.action.at, tx.action.at + LIFETIME
        await self.save(
            using_db=tx.db, update_fields=["inviter_id", "token_hash", "sent_at", "expires_at"]
        )

    async def revoke(self, tx: Transaction) -> None:
        """Revoke the invitation. A repeat changes nothing."""
        if self.revoked_at is None:
            self.revoked_at = tx.action.at
            await self.save(using_db=tx.db, update_fields=["revoked_at"])

    async def record_accepted(self, tx: Transaction, user_id: int) -> None:
        """Record who accepted the invitation."""
        self.accepted_by_id, self.accepted_at = user_id, tx.action.at
        await self.save(using_db=tx.db, update_fields=["accepted_by_id", "accepted_at"])
