"""Attempts to pay: what was asked of the payment provider and what it answered."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.billing.money import Money

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.billing.purchase import Purchase
    from models.viewer import Viewer


POLLING_PERIOD = timedelta(days=7)  # no bank waits longer for a confirmation; the customer can still ask by hand


class PaymentStatus(StrEnum):
    """Where an attempt stands. It only moves forward: SUCCEEDED and DECLINED are final."""

    PROCESSING = "PROCESSING"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    SUCCEEDED = "SUCCEEDED"
    DECLINED = "DECLINED"

    @property
    def final(self) -> bool:
        return self in (PaymentStatus.SUCCEEDED, PaymentStatus.DECLINED)


class Payment(Model):
    """One attempt to pay a purchase. Of the card only brand and last four digits are kept (PCI DSS SAQ A)."""

    id = fields.BigIntField(primary_key=True)
    account: fields.ForeignKeyRelation["Account"] = fields.ForeignKeyField(
        "models.Account", related_name="payments", db_index=True
    )
    purchase: fields.ForeignKeyRelation["Purchase"] = fields.ForeignKeyField(
        "models.Purchase", related_name="payments", db_index=True
    )
    status = fields.CharEnumField(PaymentStatus, max_length=16, default=PaymentStatus.PROCESSING)
    amount_cents = fields.BigIntField()
    method = fields.CharField(max_length=64)
    provider_reference = fields.CharField(max_length=64, null=True, unique=True)
    confirmation_url = fields.CharField(max_length=500, null=True)
    decline_code = fields.CharField(max_length=40, null=True)
    brand = fields.CharField(max_length=20, null=True)
    last_four = fields.CharField(max_length=4, null=True)
    created_at: datetime = fields.DatetimeField()
    settled_at = fields.DatetimeField(null=True)

    account_id: int
    purchase_id: int

    class Meta:
        table = "payment"
        indexes = (("status", "created_at"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Payment"]:
        """Agents see every attempt, a company's buyers their company's."""
        if viewer.agent:
            return QuerySet(cls)
        return cls.filter(account_id=viewer.account.pk) if viewer.account and viewer.buyer else cls.filter(id=None)

    @classmethod
    def unsettled(cls, at: datetime) -> QuerySet["Payment"]:
        """Attempts of the last days that are not settled: the provider is still asked about them."""
        open_ = [PaymentStatus.PROCESSING, PaymentStatus.REQUIRES_ACTION]
        return cls.filter(status__in=open_, created_at__gte=at - POLLING_PERIOD)

    @property
    def amount(self) -> Money:
        return Money(self.amount_cents)


class SandboxCharge(Model):
    """The sandbox bank's own book, standing in for a payment provider's: what was asked, and what came of it."""

    id = fields.BigIntField(primary_key=True)
    key = fields.CharField(max_length=64, unique=True)
    reference = fields.CharField(max_length=64, unique=True)
    amount_cents = fields.BigIntField()
    method = fields.CharField(max_length=64)
    status = fields.CharEnumField(PaymentStatus, max_length=16)
    decline_code = fields.CharField(max_length=40, null=True)

    class Meta:
        table = "sandbox_charge"
