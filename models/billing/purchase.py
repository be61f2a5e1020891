"""Purchases: a state machine from draft to active, and the periods in which they renew."""

from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

from models.accounts.account import Account
from models.action import Action, Transaction
from models.billing.audit_actions import BillingAuditAction
from models.billing.offer import Price
from models.billing.periods import Period, period, period_at
from models.errors import CommonErrorCode, Refusal
from models.event import EventKind, account_stream
from models.translations import _

if TYPE_CHECKING:
    from models.billing.payment import Payment
    from models.identity.user import User
    from models.viewer import Viewer


class PurchaseStatus(StrEnum):
    """The status of a purchase."""

    DRAFT = "DRAFT"
    BILLING_CONFIRMED = "BILLING_CONFIRMED"
    PAYMENT_PENDING = "PAYMENT_PENDING"
    ACTIVE = "ACTIVE"


_NEXT_STEPS = {
    PurchaseStatus.DRAFT: _("Confirm the billing details before you pay."),
    PurchaseStatus.BILLING_CONFIRMED: _(
        "The billing details are confirmed. The purchase can now be paid."
    ),
    PurchaseStatus.PAYMENT_PENDING: _(
        "A payment for this purchase is in progress. Wait for its result."
    ),
    PurchaseStatus.ACTIVE: _("This purchase has already been paid."),
}


class Purchase(Model):
    """An offer that an account bought, at the price version with which the purchase was drafted."""

    id = fields.BigIntField(primary_key=True)
    account: fields.ForeignKeyRelation[Account] = fields.ForeignKeyField(
        "models.Account", related_name="purchases"
    )
    buyer: fields.ForeignKeyNullableRelation["User"] = fields.ForeignKeyField(
        "models.User", null=True, related_name=False, on_delete=fields.SET_NULL
    )
    price: fields.ForeignKeyRelation[Price] = fields.ForeignKeyField(
        "models.Price", related_name="purchases"
    )
    status = fields.CharEnumField(PurchaseStatus, max_length=20, default=PurchaseStatus.DRAFT)
    order_number = fields.CharField(max_length=50, null=True)
    street = fields.CharField(max_length=200, null=True)
    postal_code = fields.CharField(max_length=12, null=True)
    city = fields.CharField(max_length=100, null=True)
    country = fields.CharField(max_length=2, null=True)
    anchor = fields.DateField(null=True)
    created_at: datetime = fields.DatetimeField()
    activated_at = fields.DatetimeField(null=True)

    account_id: int
    buyer_id: int | None
    price_id: int
    payments: fields.ReverseRelation["Payment"]

    class Meta:
        table = "purchase"
        indexes = (("account_id", "created_at"),)

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["Purchase"]:
        """Agents see all purchases, buyers those of their account."""
        if viewer.is_agent:
            return QuerySet(cls)
        return (
            cls.filter(account_id=viewer.account.pk)
            if viewer.account and viewer.is_buyer
            else cls.filter(id=None)
        )

    async def confirm_billing(self, action: Action, billing: dict[str, str | None]) -> "Purchase":
        """Set the billing details. Raises TRANSITION_ILLEGAL once payment has begun."""
        async with action.transaction() as tx:
            purchase = await tx.lock(Purchase, self.pk)
            purchase.require_status(PurchaseStatus.DRAFT, PurchaseStatus.BILLING_CONFIRMED)
            purchase.update_from_dict(billing)
            await purchase.transition_to(tx, PurchaseStatus.BILLING_CONFIRMED)
            tx.audit(BillingAuditAction.PURCHASE_CONFIRM_BILLING, purchase)
        return purchase

    def require_status(self, *allowed: PurchaseStatus) -> None:
        """Raise TRANSITION_ILLEGAL, with what is possible instead, unless the purchase has one of
        these statuses.
        """
        if self.status not in allowed:
            raise Refusal(
                CommonErrorCode.TRANSITION_ILLEGAL,
                "input",
                "purchaseId",
                message=_NEXT_STEPS[self.status],
            )

    async def transition_to(self, tx: Transaction, status: PurchaseStatus) -> None:
        """Save the purchase with a new status, and append an event to the account's stream."""
        self.status = status
        await self.save(using_db=tx.db)
        await tx.append(
            account_stream(self.account_id),
            EventKind.PURCHASE_CHANGED,
            purchase_id=self.pk,
            status=status.value,
        )

    def upcoming_periods(self, months: int, today: date, count: int) -> list[Period]:
        """Return `count` periods, starting with the current one. Returns none before activation."""
        if self.anchor is None:
            return []
        first = period_at(self.anchor, months, max(today, self.anchor)).index
        return [period(self.anchor, months, first + n) for n in range(count)]
