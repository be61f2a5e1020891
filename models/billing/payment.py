"""Payments: what was requested of the payment provider, and its answer."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.billing.money import Money
from models.billing.payment_method import PaymentKind

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.billing.invoice import Invoice
    from models.billing.payment_method import PaymentMethod
    from models.billing.purchase import Purchase
    from models.billing.purchase_change import PurchaseChange
    from models.viewer import Viewer


# no bank waits longer for a confirmation, although it is asked later as well
CONFIRMATION_PERIOD = timedelta(days=7)


class PaymentStatus(StrEnum):
    """The status of a payment. Only PROCESSING and REQUIRES_ACTION are not final."""

    PROCESSING = "PROCESSING"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    SUCCEEDED = "SUCCEEDED"
    DECLINED = "DECLINED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"

    @property
    def is_final(self) -> bool:
        return self not in (PaymentStatus.PROCESSING, PaymentStatus.REQUIRES_ACTION)


class Payment(Model):
    """One attempt to pay, by card or by any other means. Only the brand and the last four digits of
    a card are stored (PCI DSS SAQ A).

    `invoice` is the invoice that the payment is for, if it was issued before the payment.
    `payment_method` is the saved method that was charged, and `method` the provider's token of any
    method. An off-session payment was made without the customer. `expires_at` is when an unfinished
    confirmation ends, and `attempt` counts the attempts to pay the same invoice. `next_check_at` is
    when the provider is queried next, null once its answer is final. `invoice_draft` is the content
    of the invoice that is issued when the payment succeeds, and `purchase_change` what takes effect
    then.
    """

    id = fields.BigIntField(primary_key=True)
    account: fields.ForeignKeyRelation["Account"] = fields.ForeignKeyField(
        "models.Account", related_name="payments", db_index=True, on_delete=fields.RESTRICT
    )
    purchase: fields.ForeignKeyNullableRelation["Purchase"] = fields.ForeignKeyField(
        "models.Purchase",
        null=True,
        related_name="payments",
        db_index=True,
        on_delete=fields.RESTRICT,
    )
    invoice: fields.ForeignKeyNullableRelation["Invoice"] = fields.ForeignKeyField(
        "models.Invoice",
        null=True,
        related_name="payments",
        db_index=True,
        on_delete=fields.RESTRICT,
    )
    payment_method: fields.ForeignKeyNullableRelation["PaymentMethod"] = fields.ForeignKeyField(
        "models.PaymentMethod",
        null=True,
        related_name="payments",
        db_index=True,
        on_delete=fields.RESTRICT,
    )
    purchase_change: fields.ForeignKeyNullableRelation["PurchaseChange"] = fields.ForeignKeyField(
        "models.PurchaseChange",
        null=True,
        related_name="payments",
        db_index=True,
        on_delete=fields.RESTRICT,
    )
    kind = fields.CharEnumField(
        PaymentKind, max_length=20, default=PaymentKind.CARD, description="kind of means"
    )
    status = fields.CharEnumField(
        PaymentStatus, max_length=16, default=PaymentStatus.PROCESSING, description="status"
    )
    amount_cents = fields.BigIntField()
    method = fields.CharField(max_length=64)
    provider_reference = fields.CharField(max_length=64, null=True, unique=True)
    confirmation_url = fields.CharField(max_length=500, null=True)
    decline_code = fields.CharField(max_length=40, null=True)
    brand = fields.CharField(max_length=20, null=True)
    last_four = fields.CharField(max_length=4, null=True)
    created_at: datetime = fields.DatetimeField()
    settled_at = fields.DatetimeField(null=True)
    is_off_session = fields.BooleanField(default=False)
    refunded_cents = fields.BigIntField(default=0)
    attempt = fields.IntField(default=1)
    expires_at: datetime | None = fields.DatetimeField(null=True)
    next_check_at: datetime | None = fields.DatetimeField(null=True, db_index=True)
    invoice_draft: dict[str, Any] | None = fields.JSONField(null=True)
    provider = fields.CharField(max_length=20, default="sandbox", db_default="sandbox")
    return_url = fields.CharField(max_length=500, null=True)

    account_id: int
    purchase_id: int | None
    invoice_id: int | None
    payment_method_id: int | None
    purchase_change_id: int | None

    class Meta:
        table = "payment"
        indexes = (("status", "created_at"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Payment"]:
        """Agents see all payments, buyers those of their account."""
        if viewer.is_agent:
            return QuerySet(cls)
        return (
            cls.filter(account_id=viewer.billing_account_id)
            if viewer.billing_account_id is not None
            else cls.filter(id=None)
        )

    @classmethod
    def unsettled(cls, at: datetime) -> QuerySet["Payment"]:
        """Payments of recent days whose outcome at the provider isn't known yet, so that an invoice
        may still be issued.
        """
        return cls.filter(next_check_at__not_isnull=True, created_at__gte=at - CONFIRMATION_PERIOD)

    @property
    def amount(self) -> Money:
        return Money(self.amount_cents)
