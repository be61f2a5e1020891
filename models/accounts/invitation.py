"""A place in a company account, offered by email until somebody takes it."""

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
    """An invitation of an address. The latest email holds its token, the row only the token's SHA-256."""

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
        """Whoever looks after the company's people sees its invitations, nobody else."""
        return cls.filter(account_id=viewer.account.pk) if viewer.account and viewer.manager else cls.filter(id=None)

    @classmethod
    def waiting(cls, found: QuerySet["Invitation"]) -> QuerySet["Invitation"]:
        """Those of these that nobody took and nobody took back; their emails may have expired."""
        return found.filter(accepted_at=None, revoked_at=None)

    @property
    def open(self) -> bool:
        """Whether nobody took it and nobody took it back."""
        return self.accepted_at is None and self.revoked_at is None

    async def sent(self, tx: Transaction, inviter_id: int, token_hash: str) -> None:
        """Note that an email with a new token goes out now, by this person. The tokens of earlier emails stop working."""
        self.inviter_id, self.token_hash = inviter_id, token_hash
        self.sent_at, self.expires_at = tx.action.at, tx.action.at + LIFETIME
        await self.save(using_db=tx.db, update_fields=["inviter_id", "token_hash", "sent_at", "expires_at"])

    async def revoke(self, tx: Transaction) -> None:
        """Take it back. A repeat changes nothing."""
        if self.revoked_at is None:
            self.revoked_at = tx.action.at
            await self.save(using_db=tx.db, update_fields=["revoked_at"])

    async def accepted(self, tx: Transaction, user_id: int) -> None:
        """Note who took it."""
        self.accepted_by_id, self.accepted_at = user_id, tx.action.at
        await self.save(using_db=tx.db, update_fields=["accepted_by_id", "accepted_at"])
