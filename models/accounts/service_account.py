"""Service accounts: other systems of a company, and the API keys with which they read its data."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.identity.user import Staff
from models.translations import _

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.identity.user import User
    from models.viewer import Viewer

NAME_LENGTH = 100
DESCRIPTION_LENGTH = 200


class ApiKeyScope(StrEnum):
    """What an API key may read."""

    READ_BILLING = "READ_BILLING"
    READ_SUPPORT = "READ_SUPPORT"


SCOPE_LABELS = {
    ApiKeyScope.READ_BILLING: _("billing and payments"),
    ApiKeyScope.READ_SUPPORT: _("support requests"),
}


class ServiceAccount(Model):
    """A system of a company, such as its accounting program, that uses the API by itself."""

    id = fields.BigIntField(primary_key=True)
    account: fields.ForeignKeyRelation["Account"] = fields.ForeignKeyField(
        "models.Account", related_name=False, db_index=True
    )
    creator: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    name = fields.CharField(max_length=NAME_LENGTH)
    description = fields.CharField(max_length=DESCRIPTION_LENGTH, null=True)
    created_at: datetime = fields.DatetimeField()

    account_id: int
    creator_id: int | None

    class Meta:
        table = "service_account"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["ServiceAccount"]:
        """Those who manage a company see its service accounts, agents and operators all of them,
        and a key its own.
        """
        if viewer.is_agent or viewer.staff is Staff.OPERATOR:
            return QuerySet(cls)
        if viewer.service_account:
            return cls.filter(id=viewer.service_account.pk)
        return (
            cls.filter(account_id=viewer.account.pk)
            if viewer.account and viewer.is_manager
            else cls.filter(id=None)
        )


class ApiKey(Model):
    """A key of a service account, stored only as a hash.

    `prefix` is how the key begins, by which people recognize it. `scopes` never change, so that a
    key is never worth more than when it was handed over. `last_used_at` is precise to a few minutes
    (auth/caller.py). `reminded_at` is when the owners were told that the key expires soon.
    """

    id = fields.BigIntField(primary_key=True)
    service_account: fields.ForeignKeyRelation[ServiceAccount] = fields.ForeignKeyField(
        "models.ServiceAccount", related_name=False, db_index=True
    )
    creator: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    revoker: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    name = fields.CharField(max_length=NAME_LENGTH)
    prefix = fields.CharField(max_length=16)
    key_hash = fields.CharField(max_length=64, unique=True)
    scopes: list[str] = fields.JSONField(default=list)
    created_at: datetime = fields.DatetimeField()
    expires_at: datetime = fields.DatetimeField(db_index=True)
    last_used_at: datetime | None = fields.DatetimeField(null=True)
    revoked_at: datetime | None = fields.DatetimeField(null=True)
    reminded_at: datetime | None = fields.DatetimeField(null=True)

    service_account_id: int
    creator_id: int | None
    revoker_id: int | None

    class Meta:
        table = "api_key"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["ApiKey"]:
        """Those who see all of a company's service accounts see their keys, and a key itself."""
        if viewer.is_agent or viewer.staff is Staff.OPERATOR:
            return QuerySet(cls)
        if viewer.api_key:
            return cls.filter(id=viewer.api_key.pk)
        return (
            cls.filter(service_account__account_id=viewer.account.pk)
            if viewer.account and viewer.is_manager
            else cls.filter(id=None)
        )

    def is_valid(self, at: datetime) -> bool:
        """Whether the key was neither revoked nor has expired at this time."""
        return self.revoked_at is None and at < self.expires_at
