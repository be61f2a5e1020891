"""Changes of a purchase that is active: of its price, quantity, billing day, and pauses."""

from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from tortoise import fields
from tortoise.models import Model
from tortoise.queryset import QuerySet

if TYPE_CHECKING:
    from models.billing.invoice import Invoice
    from models.billing.offer import Price
    from models.billing.purchase import Purchase
    from models.viewer import Viewer


class PurchaseChangeKind(StrEnum):
    """The kind of a change."""

    UPGRADE = "UPGRADE"
    DOWNGRADE = "DOWNGRADE"
    QUANTITY = "QUANTITY"
    INTERVAL = "INTERVAL"
    ANCHOR = "ANCHOR"
    PAUSE = "PAUSE"
    RESUME = "RESUME"


class PurchaseChangeStatus(StrEnum):
    """The status of a change."""

    AWAITING_PAYMENT = "AWAITING_PAYMENT"
    SCHEDULED = "SCHEDULED"
    APPLIED = "APPLIED"
    CANCELED = "CANCELED"


class PurchaseChange(Model):
    """A change of a purchase, pending until it is applied or canceled. A purchase has at most one
    pending change, besides an immediate one that waits for its payment.

    An immediate change takes effect once it is paid, any other one at the end of the period that is
    paid, on `effective_on`. `former_price` and `former_quantity` are what the purchase had, and
    `price` and `quantity` what it gets. `gross_cents` is the total with VAT to which the customer
    agreed: of the invoice of an immediate change, else of the first period with the change.
    `invoice` is that of an immediate change. With `sets_payment_method`, the saved payment method
    that pays it becomes that of the purchase.
    """

    id = fields.BigIntField(primary_key=True)
    purchase: fields.ForeignKeyRelation["Purchase"] = fields.ForeignKeyField(
        "models.Purchase", related_name="changes", db_index=True, on_delete=fields.RESTRICT
    )
    kind = fields.CharEnumField(PurchaseChangeKind, max_length=20, description="kind")
    is_immediate = fields.BooleanField(default=False, db_default=False)
    price: fields.ForeignKeyNullableRelation["Price"] = fields.ForeignKeyField(
        "models.Price", null=True, related_name=False, on_delete=fields.RESTRICT
    )
    quantity: int | None = fields.IntField(null=True)
    former_price: fields.ForeignKeyNullableRelation["Price"] = fields.ForeignKeyField(
        "models.Price", null=True, related_name=False, on_delete=fields.RESTRICT
    )
    former_quantity: int | None = fields.IntField(null=True)
    anchor: date | None = fields.DateField(null=True)
    resumes_on: date | None = fields.DateField(null=True)
    gross_cents: int | None = fields.BigIntField(null=True)
    effective_on: date = fields.DateField()
    invoice: fields.ForeignKeyNullableRelation["Invoice"] = fields.ForeignKeyField(
        "models.Invoice", null=True, related_name=False, on_delete=fields.RESTRICT
    )
    sets_payment_method = fields.BooleanField(default=False, db_default=False)
    created_at: datetime = fields.DatetimeField()
    applied_at: datetime | None = fields.DatetimeField(null=True)
    canceled_at: datetime | None = fields.DatetimeField(null=True)

    purchase_id: int
    price_id: int | None
    former_price_id: int | None
    invoice_id: int | None

    class Meta:
        table = "purchase_change"

    @classmethod
    def visible_to(cls, viewer: "Viewer") -> QuerySet["PurchaseChange"]:
        """Whoever sees a purchase sees its changes."""
        if viewer.is_agent:
            return QuerySet(cls)
        return (
            cls.filter(purchase__account_id=viewer.billing_account_id)
            if viewer.billing_account_id is not None
            else cls.filter(id=None)
        )

    @classmethod
    def pending(cls) -> QuerySet["PurchaseChange"]:
        """The changes that are neither applied nor canceled."""
        return cls.filter(applied_at=None, canceled_at=None)

    @classmethod
    def scheduled(cls) -> QuerySet["PurchaseChange"]:
        """The pending changes that take effect at the end of the period, at most one for each
        purchase.
        """
        return cls.pending().filter(is_immediate=False)

    @property
    def status(self) -> PurchaseChangeStatus:
        """The status of the change."""
        if self.canceled_at:
            return PurchaseChangeStatus.CANCELED
        if self.applied_at:
            return PurchaseChangeStatus.APPLIED
        return (
            PurchaseChangeStatus.AWAITING_PAYMENT
            if self.is_immediate
            else PurchaseChangeStatus.SCHEDULED
        )
