"""Refunds: money that goes back to a customer after a credit note."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.billing.money import Money
from models.identity.user import Staff

if TYPE_CHECKING:
    from models.accounts.account import Account
    from models.billing.bank import BankLine
    from models.billing.invoice import Invoice
    from models.billing.payment import Payment
    from models.viewer import Viewer


class RefundStatus(StrEnum):
    """The status of a refund. FAILED is final, and SUCCEEDED unless the money comes back."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class RefundDestination(StrEnum):
    """What happens to the part of a credit note that was already paid. NONE if nothing was paid."""

    NONE = "NONE"
    PAYMENT = "PAYMENT"
    BALANCE = "BALANCE"


class Refund(Model):
    """One refund of a payment, for a credit note. The sum of a payment's refunds never exceeds it.

    `next_check_at` is when the provider is queried next, null once its answer is final. What was
    paid by transfer is transferred back by an operator, to the account in `bank_line`.
    """

    id = fields.BigIntField(primary_key=True)
    account: fields.ForeignKeyRelation["Account"] = fields.ForeignKeyField(
        "models.Account", related_name="refunds", db_index=True, on_delete=fields.RESTRICT
    )
    payment: fields.ForeignKeyRelation["Payment"] = fields.ForeignKeyField(
        "models.Payment", related_name="refunds", db_index=True, on_delete=fields.RESTRICT
    )
    credit_note: fields.ForeignKeyNullableRelation["Invoice"] = fields.ForeignKeyField(
        "models.Invoice",
        null=True,
        related_name="refunds",
        db_index=True,
        on_delete=fields.RESTRICT,
    )
    bank_line: fields.ForeignKeyNullableRelation["BankLine"] = fields.ForeignKeyField(
        "models.BankLine", null=True, related_name=False, on_delete=fields.RESTRICT
    )
    amount_cents = fields.BigIntField()
    status = fields.CharEnumField(
        RefundStatus, max_length=20, default=RefundStatus.PENDING, description="status"
    )
    provider_reference = fields.CharField(max_length=255, null=True, db_index=True)
    failure_code = fields.CharField(max_length=60, null=True)
    created_at: datetime = fields.DatetimeField()
    settled_at: datetime | None = fields.DatetimeField(null=True)
    next_check_at: datetime | None = fields.DatetimeField(null=True, db_index=True)

    account_id: int
    payment_id: int
    credit_note_id: int | None
    bank_line_id: int | None

    class Meta:
        table = "refund"
        indexes = (("status", "created_at"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Refund"]:
        """Agents and operators see all refunds, buyers those of their account."""
        if viewer.is_agent or viewer.staff is Staff.OPERATOR:
            return QuerySet(cls)
        return (
            cls.filter(account_id=viewer.billing_account_id)
            if viewer.billing_account_id is not None
            else cls.filter(id=None)
        )

    @property
    def amount(self) -> Money:
        return Money(self.amount_cents)
