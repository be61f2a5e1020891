"""Saved payment methods: the provider's token, and what lets a customer recognize the method."""

from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.errors import CommonErrorCode, Refusal

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.viewer import Viewer


class PaymentKind(StrEnum):
    """The kind of a payment method."""

    CARD = "CARD"
    TRANSFER = "TRANSFER"
    DIRECT_DEBIT = "DIRECT_DEBIT"
    WALLET = "WALLET"


class PaymentMethodStatus(StrEnum):
    """Whether a saved payment method can be charged."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    REMOVED = "REMOVED"


class PaymentMethod(Model):
    """A card, a mandate or a wallet that a provider keeps for an account. The token is the
    provider's, and empty until the method is saved; only the last four digits of a number are
    stored (PCI DSS SAQ A).

    `setup_reference` is the provider's reference of the setup, `replaces` the method whose place
    this one takes, `notice_days` how many days before the expiry it was last announced, and
    `detached_at` when it was removed at the provider.
    """

    id = fields.BigIntField(primary_key=True)
    account: fields.ForeignKeyRelation["Account"] = fields.ForeignKeyField(
        "models.Account", related_name="payment_methods", on_delete=fields.RESTRICT
    )
    provider = fields.CharField(max_length=20)
    token = fields.CharField(max_length=255, db_index=True)
    kind = fields.CharEnumField(
        PaymentKind, max_length=20, default=PaymentKind.CARD, description="kind of means"
    )
    brand = fields.CharField(max_length=20, null=True)
    last_four = fields.CharField(max_length=4, null=True)
    expires_on: date | None = fields.DateField(null=True, db_index=True)
    iban_last_four = fields.CharField(max_length=4, null=True)
    mandate_reference = fields.CharField(max_length=35, null=True)
    status = fields.CharEnumField(
        PaymentMethodStatus,
        max_length=20,
        default=PaymentMethodStatus.PENDING,
        description="status",
    )
    is_default = fields.BooleanField(default=False)
    created_at: datetime = fields.DatetimeField()
    removed_at: datetime | None = fields.DatetimeField(null=True)
    setup_reference = fields.CharField(max_length=255, null=True, db_index=True)
    replaces: fields.ForeignKeyNullableRelation["PaymentMethod"] = fields.ForeignKeyField(
        "models.PaymentMethod", null=True, related_name=False, on_delete=fields.RESTRICT
    )
    decline_code = fields.CharField(max_length=40, null=True)
    notice_days: int | None = fields.IntField(null=True)
    detached_at: datetime | None = fields.DatetimeField(null=True)

    account_id: int
    replaces_id: int | None

    class Meta:
        table = "payment_method"
        indexes = (("account_id", "status"),)

    async def require_chargeable(self, db: BaseDBAsyncClient | None, provider: str) -> None:
        """Raise NOT_ACTIVE unless the method can be charged now, at this provider."""
        current = await PaymentMethod.get(pk=self.pk, using_db=db)
        if current.status is not PaymentMethodStatus.ACTIVE or current.provider != provider:
            raise Refusal(CommonErrorCode.NOT_ACTIVE, "input", "paymentMethodId")

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["PaymentMethod"]:
        """Agents see all payment methods, buyers those of their account."""
        if viewer.is_agent:
            return QuerySet(cls)
        return (
            cls.filter(account_id=viewer.account.pk)
            if viewer.account and viewer.is_buyer
            else cls.filter(id=None)
        )

    def expires_within(self, day: date, days: int) -> bool:
        """Whether the method expires within this number of days."""
        return self.expires_on is not None and (self.expires_on - day).days <= days
